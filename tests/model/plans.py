"""The explorations: each looks at some part of the protocol, with all else kept small.

One world with everything in it would have more states than anybody can visit.
"""

from __future__ import annotations

from tests.model.plan import Plan
from tests.model.world import Budget

LATE = Plan(
    "late",
    "One lane, two processes, three turns: writes that come late, twice or never, lost answers, "
    "crashes, late status patches, carried turns, two rounds of the ring",
    last=3,
    budget=Budget(claims=3, crashes=1, late_patches=1),
)
PAGES = Plan(
    "pages",
    "Slots read one by one in any order while others write, by a claimant or by two",
    is_paged=True,
    last=3,
    budget=Budget(claims=3, crashes=1),
)
THREE = Plan(
    "three",
    "Three processes that take one lane from each other while nothing need be reflected",
    processes=3,
    ring=2,
    last=2,
    budget=Budget(claims=4, crashes=1),
)
RELEASED = Plan(
    "released",
    "Two lanes with an instance each, held by one process or two, released, claimed, lost",
    lanes=2,
    ring=2,
    last=2,
    objects=(((0, 0),), ((1, 0),)),
    budget=Budget(claims=3, crashes=1, releases=2, late_patches=1),
)
BATCHES = Plan(
    "batches",
    "Two instances in one lane: turns of both in one entry, or of one alone, and carried apart",
    ring=2,
    last=2,
    objects=(((0, 0),), ((1, 0),)),
    budget=Budget(claims=3, crashes=1, late_patches=1),
)
REFUSED = Plan(
    "refused",
    "Entries that are refused for what is in them, and halved, while earlier tries may land yet",
    last=2,
    objects=(((0, 0),), ((1, 0),)),
    budget=Budget(claims=2, refusals=3),
)
DAMAGED = Plan(
    "damaged",
    "A slot is deleted by mistake, at any moment: nobody goes on as if it had never been there",
    is_paged=True,
    last=3,
    budget=Budget(claims=2, damages=1),
)
ENDS = Plan(
    "ends",
    "Informers that lag: an instance ends, is forgotten, is deleted; sources are destroyed last",
    informs=True,
    destroys=True,
    last=2,
    budget=Budget(claims=2, crashes=1, deletions=1),
)
REBORN = Plan(
    "reborn",
    "A name whose object was deleted and created again, while old watches still tell of the other",
    informs=True,
    destroys=True,
    last=2,
    lives=2,
    deletes_open=True,
    budget=Budget(claims=2, crashes=1, deletions=1),
)
RESIZE = Plan(
    "resize",
    "Two lanes closed by two resizers with different numbers, the next generation opened and used",
    lanes=2,
    ring=2,
    last=1,
    objects=(((0, 0),), ((1, 0),)),
    targets=(1, 2),
    budget=Budget(claims=4, crashes=1),
)
CLOSING = Plan(
    "closing",
    "Two resizers that take two lanes from each other and close them; no turns",
    lanes=2,
    ring=2,
    last=0,
    objects=(((0, 0),), ((1, 0),)),
    targets=(1, 2),
    budget=Budget(claims=4),
)
REOPENED = Plan(
    "reopened",
    "One lane made two under informers that lag, with a name that is deleted and created again",
    ring=2,
    last=1,
    lives=2,
    informs=True,
    destroys=True,
    targets=(2,),
    budget=Budget(claims=3, crashes=1, deletions=1),
)
PLANS = (
    CLOSING,
    THREE,
    LATE,
    PAGES,
    BATCHES,
    REFUSED,
    DAMAGED,
    RELEASED,
    ENDS,
    REBORN,
    RESIZE,
    REOPENED,
)
