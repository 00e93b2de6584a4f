"""Benchmarks: how fast the service is beside the limits of its parts, on this machine, in one run.

A suite starts a database of its own in a temporary directory, measures what it is about and the control that
says how fast it could be at most in turns, and checks that all answers are right: a wrong one fails the run,
a slow one never does. It gives `measurements`, of which `report` makes Markdown and JSON and `plots` makes
SVG; `summary` is the page of all goals. `machine` says where all of this was measured.

`commands` is the command line. Suites of the service are `update` and `status`, which are kinds of `writes`,
`read` with its `pages`, `growth`, and `watch` with its watchers (`watching`). They open a `scene`, a database
with `servers` on it, send them `load` from a process of its own, and let all that is compared take `turns`.
Their limits are `pgbench`, the event `library` alone, and `constants` from the same HTTP server. A `fleet` is
a made-up log of deployments that are all alike.

`rebuild` is the suite of rebuilds, with the `control` that copies finished rows. `workload` and `content`
write a made-up log as it is in real life, `loading` stores it, `processes` runs a program and watches its
memory and the time it takes of processors.
"""
