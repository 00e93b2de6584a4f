"""Benchmarks: how fast the service is beside the limits of its parts, on this machine, in one run.

A suite starts a database of its own in a temporary directory, measures what it is about and the control that
says how fast it could be at most in turns, and checks that all answers are right: a wrong one fails the run,
a slow one never does. It gives `measurements`, of which `report` makes Markdown and JSON.

`workload` and `content` write a made-up log, `loading` stores it, `processes` runs a program and watches its
memory and the time it takes of processors, `machine` says where all of this was measured. `rebuild` is the
suite of rebuilds, with the `control` that copies finished rows; `commands` is the command line.

Suites of the service open a `scene` with `servers` on one database, send them `load` from a process of its
own, and let all that is compared take `turns`. `update` is the suite of updates; its limits are `pgbench`,
the event `library` alone, and `constants` from the same HTTP server.
"""
