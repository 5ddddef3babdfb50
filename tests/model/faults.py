"""The planted faults: each a rule of the protocol that is left out, and a plan where that shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.model.explorer import Result, explore
from tests.model.plan import Plan, Rules
from tests.model.plans import CLOSING, DAMAGED, LATE, PAGES, REFUSED, RELEASED, RESIZE, THREE
from tests.model.protocol import LaneProtocol
from tests.model.world import GONE, Budget

MOST_STATES = 200_000

SMALL_PAGES = replace(PAGES, name="small-pages", ring=2, budget=Budget(claims=2))
SMALL_CLOSING = replace(CLOSING, name="small-closing", budget=Budget(claims=3))
SMALL_ENDS = Plan(
    "small-ends",
    "A ring of a single slot, so that what is reflected is soon forgotten by the lane",
    ring=1,
    last=2,
    informs=True,
    destroys=True,
    budget=Budget(claims=1, deletions=1),
)
SMALL_DELETED = replace(
    SMALL_ENDS,
    name="small-deleted",
    lives=2,
    deletes_open=True,
    budget=Budget(claims=1, late_patches=1, deletions=1),
)
SMALL_REBORN = replace(
    SMALL_ENDS,
    name="small-reborn",
    lives=2,
    objects=(((0, 0), (0, 2), (0, GONE), (1, 0)),),
    budget=Budget(claims=1),
)


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault: `rules` lacks a rule; `plan` finds it in at most `most_steps` steps."""

    name: str
    rules: Rules
    plan: Plan
    most_steps: int

    def hunt(self) -> Result:
        """Explore the plan without the rule, until something breaks."""
        return explore(LaneProtocol(replace(self.plan, rules=self.rules)), MOST_STATES)


PLANTED = (
    Planted("PUT without resourceVersion", Rules(tests_version=False, only_grows=False), LATE, 4),
    Planted("no carry", Rules(carries=False), THREE, 8),
    Planted("no page check", Rules(checks_pages=False), PAGES, 14),
    Planted("claim without reading to the end", Rules(reads_to_the_end=False), PAGES, 14),
    Planted("status read before the claim", Rules(claims_before_statuses=False), SMALL_PAGES, 20),
    Planted('409 taken for "not ours"', Rules(takes_409_as_unknown=False), LATE, 6),
    Planted("answered before the PUT stands", Rules(commits_before_effects=False), LATE, 2),
    Planted("next entry before the last is settled", Rules(settles=False), LATE, 4),
    Planted("tries not told apart", Rules(tells_tries_apart=False), REFUSED, 6),
    Planted("rejected while a try may land", Rules(rejects_last=False), REFUSED, 4),
    Planted("status patch without rev", Rules(patches_test_rev=False), LATE, 12),
    Planted("status patch without uid", Rules(patches_test_uid=False), SMALL_DELETED, 12),
    Planted("reflected by a watch of another uid", Rules(compares_uids=False), SMALL_REBORN, 10),
    Planted("destroyed before reflected", Rules(destroys_last=False), SMALL_ENDS, 6),
    Planted("informer goes back", Rules(moves_forward=False), SMALL_ENDS, 16),
    Planted("informer behind the claim", Rules(awaits_informer=False), SMALL_ENDS, 16),
    Planted("forgets an end not delivered", Rules(remembers_ended=False), SMALL_ENDS, 16),
    Planted("forgets a deletion not delivered", Rules(remembers_gone=False), SMALL_ENDS, 16),
    Planted("slots created as needed", Rules(creates_slots_first=False), DAMAGED, 12),
    Planted("writes on after Released", Rules(stops_after_released=False), RELEASED, 6),
    Planted("claim over Closed", Rules(respects_closed=False), RESIZE, 6),
    Planted("closed before all is reflected", Rules(reflects_before_closed=False), RESIZE, 10),
    Planted("lanes closed in any order", Rules(closes_lane_0_first=False), SMALL_CLOSING, 20),
    Planted("next generation opened early", Rules(opens_last=False), RESIZE, 6),
)
