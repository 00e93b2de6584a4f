"""The service under torture: many clients, killed processes, and a judge of what came of it.

`campaign` runs it: `plan` says by a seed what is done, `clients` and `watching` do it over HTTP, `machine` kills
and starts processes. Then `checker` compares what every client saw (`history`) with what a deployment should
do (`specification`), and `truth` compares the log itself with what was asked and answered. `defects` plants
defects in a copy of the service and tells which tests catch them.

None of it imports the service's rules: it would share their mistakes.
"""
