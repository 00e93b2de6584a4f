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

`timeline` makes rows of events, `versions` loads and writes them, `lists`, `criteria` and `sorting` ask for
pages of them. Statements live in `.sql` files; only lists assemble theirs, from columns that the code
names.
"""
