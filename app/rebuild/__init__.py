"""Rebuilds of the tables that endpoints read: from the log, while the service runs, proven equal, reversible.

The way of a rebuild. `start` notes the end of the log (the base) and cuts the streams into slices of about
the same number of events. Worker processes claim slices and load the rows that their streams add up to into
tables in the schema `rebuild`, with the key and the indexes by name in place. Then the other indexes are
built, the new tables are brought to the end of the log in rounds and compared with the live ones, and one
short transaction puts them in the live ones' place. Those stay in the schema `retired`, for `rollback`, until
`clean` drops them.

Why it can be killed at any moment. A slice's claim is a row lock; its rows and the mark that it is done are
one transaction: whatever ends the connection undoes both, and the slice is free. Each index, each round and
the switch is one transaction together with what the registry says of it. So `resume` always finds a state
that the registry describes, and goes on from it. Whoever goes on holds an advisory lock on the connection
that does all of this, so there is never more than one.

Why the result is right. Positions are dense and in the order of commits, so "up to position p" is the same
set of events for everyone who sees p. Rows depend on the events of their stream alone. Up to the base each
stream is folded from its beginning by one worker; a later event is folded on the open rows of its stream, in
a transaction that moves the registry's position past it. Live writes do the same.

Why equal is equal. All rows of both tables are compared once, by a 64-bit hash of each row, at one
snapshot: there live and new tables show the same position. From then on each round compares, row by row,
every row that events since then can have begun or ended. The last round does so under the log's lock, with
which no event can be added, in the transaction that switches: what is switched to equals what was live.

Why releases can differ. A run remembers the versions of the projections that it began with, and only programs
of these go on with it. New tables have the shape that the program says, not that of the live ones. The switch
writes down which versions are live, under the lock under which writers look: see `app.projection_versions`.

`registry` knows the run and its slices, `folding` and `workers` load slices, `catching_up` goes on from them,
`tables` makes and moves tables, `indexing` gives them their indexes, `comparing` compares them, `switching`
puts them in their place, `run` is the way from start to end, which `building` goes beside a service;
`versions` says who may go it. `verifying` checks the live tables alone. `fingerprints`, `recording`,
`other_release` and `release_check` find out what another release would answer otherwise. `commands`,
`release_commands`, `telling` and `display` are what people see.
"""
