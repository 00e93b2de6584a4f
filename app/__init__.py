"""The shell: HTTP in and out, the writer and the reader, settings, and the command line.

A usual request comes from its `http_connection` by the `fast_path`, all others through `framing`, `edge` and
the web framework; either way the same handler has it next.

A write walks `deployments` (decoded, becomes a command), `writer` (waits for its batch), `batch` (one
transaction: load, decide, store), the decision in `domain.deployment`, `event_log` and
`projections.versions` (events and rows), and back as the row it made. A refusal is turned into its answer
in `answers`. A read walks its route and `reader`, or `point_reads` for one object.
"""
