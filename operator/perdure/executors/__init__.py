"""What carries out activities, one kind of work per file: HTTP calls, and later pods and workers.

An executor sees the cluster through ports and reports what happened as an `Answer`; it decides
nothing. What can be decided without I/O stands in files of its own: who may be called
(`addresses`, `urls`, `targets`), what is sent (`calls`), what an answer means (`answers`).
"""
