"""The read side: tables that hold what endpoints return, and how they are written and asked.

Two tables of *versions*, one of deployments and one of configs, hold a row for every state that a version
ever had: what readers saw of it from the event at `valid_from` until the one at `valid_until`, the answer's
own bytes beside the columns that lists filter and sort by. A row that still holds is open at the end; a
name's latest version is the open row that is also open as latest. So a GET is one index look-up and no
encoding, and what readers saw at an earlier position is a range condition on the same rows.

Promises.
- Freshness: rows are written in the transaction of their events, so whoever was answered a write sees it in
  every later read, from any process.
- Order: a row is a function of the events of its stream alone. Writing it needs no other stream, and
  folding a stream again gives the same rows.
- Disposable: everything here can be dropped and written again from the log.

Time travel. A read as of position p wants the rows with `valid_from <= p < valid_until`, and of a list of
latest versions `p < latest_until`. One version: the last row of its key that begins by p, one step on the
primary key. A name's latest version: the last of its rows that became the latest by p, one step on the
`was_latest` index, however long the stream is. A list: the `held` index has the versions of a workspace in
the order of their creation with the ends of their rows, so that count and page are found without touching
rows that do not hold at p, and only the page's bodies are read. Nothing is folded. A time is turned into
the position of the last event by then.

Versions. `definition` has the shape of each table, and `fold_version` finds a version of shape and fold by
folding `sample`, a fixed log: tables of a version are written by programs of that version only.

`timeline` makes rows of events, `versions` loads and writes them, `lists`, `criteria` and `sorting` ask for
pages of them; `history`, `blame` and `comparison` answer what changed, when and by whom. Statements live in
`.sql` files; only lists assemble theirs, from columns that the code names.
"""
