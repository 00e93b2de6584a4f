"""Questions to the log from the command line: what happened, what was live, and whether it all adds up.

Commands work on the database itself, without the service. Each reads one snapshot (REPEATABLE READ, read only)
and writes nothing, so it may run beside a service that is writing.

`database` finds and opens the snapshot, `log` reads events, `replay` checks them with the domain's own
decisions (`redecide`) and against the tables (`stored_rows`), `export` writes them out, `live` says what was live.
`commands` is the command line over these, `tables` and `progress` what a terminal shows.
"""
