"""Faults of the lane protocol, planted in the code that writes the log; each leaves out one rule.

They are those of tests/model/faults.py that are about lanes alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from tests.kubernetes.log import processes

from perdure.engine.values import JsonObject
from perdure.errors import ObjectNotFoundError
from perdure.kubernetes.log import claiming, placing
from perdure.kubernetes.log.claiming import Claimant
from perdure.kubernetes.log.owning import OwnedLane, name_of
from perdure.kubernetes.log.placing import Declined, Placed, Placing
from perdure.kubernetes.log.slots import Slots
from perdure.kubernetes.versions import metadata_of
from perdure.lanes import ring
from perdure.lanes.carrying import OwnedRing
from perdure.lanes.entry import Entry, LoggedTurn
from perdure.lanes.ring import LaneView, Slot
from perdure.lanes.settling import Place, Refused, Stands, Verdict, settle
from perdure.ports import WORKFLOW_LOGS
from perdure.resources.generate import crd
from perdure.resources.kinds import KINDS
from perdure.testing.apiserver import server
from perdure.testing.apiserver.customs import custom_kind, custom_kinds

Fault = Callable[[ExitStack], None]


def put_without_resource_version(stack: ExitStack) -> None:
    """Replaces whatever stands there now, where the CRD has no rules."""
    through = Slots.replace

    async def replace_any(self: Slots, body: JsonObject) -> str:
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        newest = await self.get(str(metadata["name"]))
        version = metadata["resourceVersion"] if newest is None else newest.version
        return await through(self, {**body, "metadata": {**metadata, "resourceVersion": version}})

    stack.enter_context(patch.object(Slots, "replace", replace_any))
    stack.enter_context(patch.object(server, "custom_kinds", lambda: WITHOUT_RULES))


def without_rules() -> tuple[Any, ...]:
    definition = copy.deepcopy(crd(KINDS[WORKFLOW_LOGS.kind]))
    (version,) = definition["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"]
    lenient = custom_kind(definition)
    return tuple(lenient if kind.kind == lenient.kind else kind for kind in custom_kinds())


WITHOUT_RULES = without_rules()


def no_carry(stack: ExitStack) -> None:
    """An entry of turns carries nothing."""
    stack.enter_context(patch.object(OwnedRing, "carried_by", lambda self, seq: ()))


def no_carry_of_claims(stack: ExitStack) -> None:
    through = Claimant._claim_over

    def claim_over(self: Claimant, slot: Slot, tail: Entry) -> Entry:
        return replace(through(self, slot, tail), carried=())

    stack.enter_context(patch.object(Claimant, "_claim_over", claim_over))


def no_page_check(stack: ExitStack) -> None:
    """Takes slots of different moments for the lane."""

    def whole(slots: Mapping[int, Slot], generation: int, lane: int) -> LaneView:
        return LaneView(tuple(slots[number] for number in range(ring.SLOTS)))

    stack.enter_context(patch.object(claiming, "whole", whole))


def status_read_before_the_claim(stack: ExitStack) -> None:
    stack.enter_context(patch.object(processes, "READS_EARLY", True))


def conflict_taken_for_not_ours(stack: ExitStack) -> None:
    """What is found after a lost answer is taken for an entry without our turns."""
    through = Placing._looked

    async def looked(self: Placing) -> object:
        seen = await through(self)
        if isinstance(seen, Placed):
            return Placed(replace(seen.entry, turns=()), seen.version)
        return seen

    stack.enter_context(patch.object(Placing, "_looked", looked))


def deleted_slot_made_anew(stack: ExitStack) -> None:
    """A slot that is not there is created with the entry that was to replace it."""
    through = Slots.replace

    async def put(self: Slots, body: JsonObject) -> str:
        try:
            return await through(self, body)
        except ObjectNotFoundError:
            metadata = body["metadata"]
            assert isinstance(metadata, dict)
            fresh = {key: value for key, value in metadata.items() if key != "resourceVersion"}
            made = await self._objects.create(
                WORKFLOW_LOGS, self._namespace, {**body, "metadata": fresh}
            )
            return str(metadata_of(made)["resourceVersion"])

    stack.enter_context(patch.object(Slots, "replace", put))


def answered_before_the_put_stands(stack: ExitStack) -> None:
    through = OwnedLane._offered

    async def offered(self: OwnedLane, placing: Placing, group: Sequence[LoggedTurn]) -> object:
        for turn in group:
            answer = self._answers[name_of(turn)]
            if not answer.done():
                answer.set_result(Stands("early"))
        return await through(self, placing, group)

    stack.enter_context(patch.object(OwnedLane, "_offered", offered))


def next_entry_before_the_last_is_settled(stack: ExitStack) -> None:
    """Whatever an answer is, the entry is taken for committed."""

    async def looked(self: Placing) -> Placed:
        return Placed([*self._tries.values()][-1], self._place.version)

    stack.enter_context(patch.object(Placing, "_looked", looked))


def tries_not_told_apart(stack: ExitStack) -> None:
    """What is found is taken for the last try, whichever it was."""

    def settle_last(seen: Slot | None, place: Place, nonces: Mapping[str, Entry]) -> Verdict:
        verdict = settle(seen, place, nonces)
        return Stands([*nonces][-1]) if isinstance(verdict, Stands) else verdict

    stack.enter_context(patch.object(placing, "settle", settle_last))


def rejected_while_a_try_may_land(stack: ExitStack) -> None:
    through = OwnedLane._offered

    async def offered(self: OwnedLane, placing: Placing, group: Sequence[LoggedTurn]) -> object:
        decision = await through(self, placing, group)
        if isinstance(decision, Declined) and len(group) == 1:
            answer = self._answers[name_of(group[0])]
            if not answer.done():
                answer.set_result(Refused(decision.message))
        return decision

    stack.enter_context(patch.object(OwnedLane, "_offered", offered))


FAULTS: Mapping[Fault, int] = {
    put_without_resource_version: 0,
    no_carry: 0,
    no_carry_of_claims: 0,
    no_page_check: 0,
    status_read_before_the_claim: 0,
    conflict_taken_for_not_ours: 0,
    deleted_slot_made_anew: 80,
    answered_before_the_put_stands: 0,
    next_entry_before_the_last_is_settled: 0,
    tries_not_told_apart: 0,
    rejected_while_a_try_may_land: 0,
}
"""Each with the seed to begin with: the rare ones need a copy that comes very late."""


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Leave a rule out."""
    with ExitStack() as stack:
        fault(stack)
        yield
