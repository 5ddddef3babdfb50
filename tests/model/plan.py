"""What bounds an exploration, and which rules of the protocol hold in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.world import GONE, Budget, Version


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the lane protocol. A planted fault is one that is left out."""

    tests_version: bool = True
    """A PUT is accepted only over the entry that its sender has seen there."""
    only_grows: bool = True
    """The CRD refuses an entry whose seq is not above that of the entry it replaces."""
    carries: bool = True
    """An entry carries what it replaces and what is not known to be reflected."""
    checks_pages: bool = True
    """Pages that do not follow each other without a gap are read again."""
    reads_to_the_end: bool = True
    """Nobody claims before every slot was read."""
    claims_before_statuses: bool = True
    """Statuses are read when the claim stands, not before."""
    takes_409_as_unknown: bool = True
    """After a 409 the slot is read: the entry may be ours."""
    commits_before_effects: bool = True
    """Nothing is answered or started for a turn before its entry is known to stand."""
    tells_tries_apart: bool = True
    """Which of several tries for a slot stands there decides which turns are committed."""
    rejects_last: bool = True
    """A turn is answered as refused for good only when something else stands in the slot."""
    settles: bool = True
    """No later entry is sent while the outcome of one is unknown."""
    moves_forward: bool = True
    """An informer never goes back to an older version."""
    awaits_informer: bool = True
    """An instance that the claim's reading did not show is taken only from an informer that has
    come as far as that reading."""
    remembers_ended: bool = True
    """An instance that ended is forgotten only when the informer delivered its final status."""
    remembers_gone: bool = True
    """An instance whose object is gone is forgotten only when the informer delivered that."""
    patches_test_rev: bool = True
    """A status patch is accepted only over the rev that its sender knew, and rev only grows."""
    patches_test_uid: bool = True
    """A status patch is accepted only by the object that it was made for, not by its name."""
    compares_uids: bool = True
    """What a watch shows counts for the uid that it names, not for its name."""
    destroys_last: bool = True
    """The source of a fact is destroyed only when a status shows the turn that took it."""
    creates_slots_first: bool = True
    """All slots of a lane are created when it is opened, and none later: an absent one was
    deleted, and whoever finds it leaves the lane alone."""
    stops_after_released: bool = True
    """Who released a lane writes nothing there before a new claim."""
    respects_closed: bool = True
    """Nobody claims over Closed."""
    reflects_before_closed: bool = True
    """A lane is closed only when every turn in it is reflected."""
    closes_lane_0_first: bool = True
    """Lane 0 is closed first, and the others with the number of lanes that stands there."""
    opens_last: bool = True
    """The next generation is opened when every lane of this one is closed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The bounds of one exploration.

    `last`: the rev of the turn that ends an instance. `is_paged`: slots are read one at a time;
    otherwise a lane is read at one moment. `informs`: processes have informers, which lag; without
    them nobody learns of a status but by asking. `targets`: the numbers of lanes that the resizers
    are called with, by turns; without any nobody resizes. `objects`: the versions of each name so
    far, the first being what a new process may still be shown.
    """

    name: str
    covers: str
    budget: Budget
    processes: int = 2
    ring: int = 3
    lanes: int = 1
    last: int = 2
    lives: int = 1
    is_paged: bool = False
    informs: bool = False
    destroys: bool = False
    deletes_open: bool = False
    targets: tuple[int, ...] = ()
    objects: tuple[tuple[Version, ...], ...] = (((0, 0),),)
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        assert self.last < GONE

    @property
    def names(self) -> int:
        return len(self.objects)

    @property
    def uids(self) -> int:
        return self.names * self.lives

    @property
    def all_lanes(self) -> int:
        """Those of this generation, and those that the next one may have."""
        return self.lanes + max(self.targets, default=0)
