"""The rules of deployments and their configs, as plain data and pure functions.

Words. A *workspace* holds *deployments* and *deployment configs*, each known by a *name*. Both have
*versions*, numbered from 1; a number is never given out twice, not even after versions, or all of them,
were removed. Everything that ever happened to one deployment or config is its *stream* of *events*; an
event's *position* is its place in the whole log. A *snapshot* is what readers see of one version after some
event.

Flow. A *command* and the state of its stream go into a *decision*, which gives an event, nothing (there is
nothing new to say), or raises a `Refusal`. Events go into the *fold* (`changes`), which gives the versions
they touch as they are afterwards. Events carry everything that was decided, so folds never look anything
up, and what a stream adds up to depends on that stream alone.

Invariants.
- Versions of a name are numbered without gap in the order of their events.
- A deployment's `config_version` is pinned when the version is decided and existed then, in the same
  workspace.
- A version keeps its id, config, creation time and author for ever; only its status changes.
- A config that a deployment not yet DELETED refers to cannot be removed.

Nothing here reads a clock, draws a random number, logs, or does input or output.
"""
