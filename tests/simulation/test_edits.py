"""What administrators damage is counted among the faults."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.simulation.edits import is_damage
from tests.simulation.situations.damage import DAMAGE
from tests.simulation.workloads.actions import Edit, Spoilt
from tests.simulation.world import World

from perdure.verification.evidence import ClientCall, Deed, Outcome


@pytest.mark.parametrize(
    ("edit", "outcome", "expected"),
    [
        (Edit.STATUS_EVENT, Outcome.ACKNOWLEDGED, True),
        (Spoilt.SEGMENT_DELETED, Outcome.ACKNOWLEDGED, True),
        (Edit.STATUS_EVENT, Outcome.REFUSED, False),
        (Edit.LABEL, Outcome.ACKNOWLEDGED, False),
    ],
)
def test_what_is_carried_out_and_corrupts_is_damage(
    edit: Edit | Spoilt, outcome: Outcome, expected: bool
) -> None:
    call = ClientCall(
        invoked=datetime(2026, 1, 1, tzinfo=UTC),
        client="bert",
        deed=Deed.EDIT,
        namespace="shop",
        name="run-1",
        uid="",
        returned=None,
        outcome=outcome,
        details={"edit": edit.value},
    )
    assert is_damage(call) is expected


def test_worlds_count_damage_where_it_is_read() -> None:
    found = [World(DAMAGE.plan(seed)).run().cells["F26", "C3"] for seed in range(3)]
    assert 1 in found
