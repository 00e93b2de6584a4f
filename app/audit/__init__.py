"""Questions to the log from the command line: what happened, what was live, and whether it all adds up.

Commands work on the database itself, without the service. Each reads one snapshot (REPEATABLE READ, read
only) and writes nothing, so it may run beside a service that is writing.

`database` finds and opens the snapshot, `log` reads events, `replay` checks them with the domain's own
decisions (`redecide`) and their rows with those stored (`row_check`), `export` writes them out, `live` says
what was live. `commands`, `investigate` and `proof` are the command line over these and over the projections'
questions, `tables` and `progress` what a terminal shows.
"""
