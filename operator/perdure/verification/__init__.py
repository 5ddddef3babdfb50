"""Judging what Perdure did: invariants as pure functions over independent logs.

Three witnesses that know nothing of each other: the writes that the API server accepted, the
effects that services saw, and the calls that clients made. One bug cannot hide itself in all
three. The same functions judge a simulation after every write, a run of real processes at its
end, and a user's cluster (`perdure verify`). Nothing here imports what it judges, but `fold`.
Source: docs/proof.md.
"""
