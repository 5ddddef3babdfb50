"""What the verdict says of a run with something wrong in it, and that it is silent without."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos.cases import Case, Fate
from tests.chaos.record import Record
from tests.chaos.sightings import Sightings
from tests.chaos.verdict import carried, ended, passed_on, rested, settled, survived
from tests.cluster.api import Object
from tests.e2e.history import Dump
from tests.e2e.orders import EVENT, plan_orders
from tests.e2e.services import Request
from tests.e2e.verdict import Attempt

HEALED = 1000.0
ORDERS = plan_orders(3, seed=1)


def dump(name: str, phase: str = "Succeeded", **status: object) -> Dump:
    return Dump({"metadata": {"name": name, "uid": "u"}, "status": {"phase": phase, **status}}, [])


def record(tmp_path: Path, *rows: object, **fields: object) -> Record:
    journal = tmp_path / "writes.jsonl"
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    calm = Record(
        journal=journal,
        sightings=Sightings(),
        requests=[],
        addresses={},
        calls=[],
        cases=[],
        done=[],
        clocks={},
        deaths=[],
        dumps=[],
        tricks=Counter(),
        repeats=Counter(),
        conflicts=0,
        healed_at=HEALED,
        settled_at=HEALED + 3,
        ended_at=HEALED + 62,
    )
    return replace(calm, **fields)  # type: ignore[arg-type]  # its fields


def test_instances_that_do_not_end_in_time_are_reported(tmp_path: Path) -> None:
    assert list(settled(record(tmp_path))) == []
    assert len(list(settled(record(tmp_path, settled_at=None)))) == 1


@pytest.mark.parametrize(
    ("fate", "phase", "is_good"),
    [
        (Fate.PLAIN, "Succeeded", True),
        (Fate.PLAIN, "Failed", False),
        (Fate.PLAIN, None, False),
        (Fate.SUSPENDED, "Running", False),
        (Fate.RECREATED, None, False),
        (Fate.TERMINATED, "Terminated", True),
        (Fate.TERMINATED, "Succeeded", True),
        (Fate.TERMINATED, "Running", False),
        (Fate.TERMINATED, None, False),
        (Fate.DELETED, None, True),
        (Fate.DELETED, "Succeeded", False),
    ],
)
def test_an_order_has_to_stand_as_its_users_left_it(
    tmp_path: Path, fate: Fate, phase: str | None, is_good: bool
) -> None:
    case = Case(ORDERS[0], fate, 0.0)
    dumps = [] if phase is None else [dump(case.name, phase)]
    found = list(ended(record(tmp_path, cases=[case], dumps=dumps)))
    assert (found == []) is is_good


def test_an_instance_that_nobody_asked_for_is_reported(tmp_path: Path) -> None:
    assert len(list(ended(record(tmp_path, dumps=[dump("stranger")])))) == 1


def test_a_write_after_all_has_come_to_rest_is_reported_unless_it_is_a_lease(
    tmp_path: Path,
) -> None:
    late, early = HEALED + 30, HEALED + 4
    calm = [[1, early, "workflowinstances/ns/a", None], [2, late, "leases/ns/perdure-a", None]]
    assert list(rested(record(tmp_path, *calm))) == []
    loud = [3, late, "workflowinstances/ns/a", None]
    assert len(list(rested(record(tmp_path, *calm, loud)))) == 1


def test_an_operator_that_ended_by_itself_is_reported(tmp_path: Path) -> None:
    assert list(survived(record(tmp_path))) == []
    assert list(survived(record(tmp_path, deaths=["op ended"]))) == ["op ended"]


def test_a_history_that_does_not_fit_its_digest_is_reported(tmp_path: Path) -> None:
    broken = {"segments": {"count": 0}, "events": [], "digest": "another", "length": 0}
    found = list(passed_on(record(tmp_path, dumps=[dump("a", "Running", history=broken, rev=1)])))
    assert len(found) == 1
    assert "digest" in found[0]


# --- what is carried on ---------------------------------------------------------------------


def completed(step: str, token: str, attempt: int = 1) -> Attempt:
    result: Object = {"type": "ActivityCompleted", "output": {"token": token}}
    return Attempt(step, attempt, [], result)


def request(step: str, **body: str) -> Request:
    return Request(
        n=1,
        time=0.0,
        answered=0.1,
        remote="",
        method="POST",
        path=f"/{step}",
        query="",
        headers={},
        key="",
        attempt=1,
        body=body,
        uid="u",
        step=step,
        status=200,
        token="",
    )


def told(
    attempts: list[Attempt], after: str = "t1", by: str = "ann", output: Object | None = None
) -> list[str]:
    requests = {
        ("u", "charge", 1): [request("charge", after=after)],
        ("u", "ship", 1): [request("ship", after="t2", by=by)],
    }
    shown = {"reserve": "t1", "charge": "t2", "ship": "t3"} if output is None else output
    events = [{"type": "EventReceived", "name": EVENT}]
    return list(
        carried(dump("a", output=shown, history={"events": events}), attempts, requests, "ann")
    )


GOOD = [completed("reserve", "t1"), completed("charge", "t2"), completed("ship", "t3")]


def test_results_that_are_carried_on_break_nothing() -> None:
    assert told(GOOD) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"after": "t0"}, "was sent with another reserve"),
        ({"by": "bob"}, "shipped for bob, not for ann"),
        ({"output": {"reserve": "t1"}}, "the output is"),
    ],
)
def test_what_was_carried_on_wrongly_is_reported(fields: Object, words: str) -> None:
    (found,) = told(GOOD, **fields)
    assert words in found


def test_a_step_that_completes_twice_is_reported() -> None:
    found = told([*GOOD, completed("ship", "t3", attempt=2)])
    assert found == ["a: ship was completed twice"]
