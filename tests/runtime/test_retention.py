"""Retention: by age, count and bytes, oldest first; what tools own stays; a budget."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.runtime.worlds import MemoryObjects, Meter

from perdure.ports import InstanceHint, InstanceKey
from perdure.runtime.retention import Limits, Retention
from perdure.testing import VirtualClock
from perdure.testing.clock import BEGINNING

DAY = 86_400


def hint(name: str, *, days: float = 0, **fields: object) -> InstanceHint:
    """Return an instance that finished so many days before the beginning."""
    told: dict[str, object] = {
        "key": InstanceKey("shop", name, f"uid-{name}"),
        "version": 5,
        "rev": 3,
        "generation": 1,
        "observed_generation": 1,
        "phase": "Succeeded",
        "definition": "order",
        "wake_at": None,
        "start_at": None,
        "created_at": BEGINNING,
        "completed_at": BEGINNING - timedelta(days=days),
        "is_finished": True,
        "is_deleting": False,
        "has_calls": False,
        "size": 1000,
        "retention": {},
        "annotations": {},
    }
    return InstanceHint(**{**told, **fields})  # type: ignore[arg-type]  # its fields


class House:
    """A namespace and what is purged of it."""

    def __init__(self, *, count: int = 100, finished: int = 10**9, total: int = 10**9) -> None:
        self.objects, self.clock = MemoryObjects(), VirtualClock()
        limits = Limits(count=count, finished_bytes=finished, total_bytes=total)
        self.retention = Retention(self.objects, self.clock, Meter(), limits)

    async def purged(self, *hints: InstanceHint) -> list[str]:
        for one in hints:
            self.retention.observe(one)
        await self.retention.purge()
        return [name for verb, _, name in self.objects.calls if verb == "delete"]


@pytest.mark.parametrize(("phase", "days"), [("Succeeded", 7), ("Failed", 30), ("Terminated", 7)])
async def test_finished_instances_go_by_age(phase: str, days: float) -> None:
    house = House()
    old = hint("old", days=days, phase=phase)
    young = hint("young", days=days - 0.001, phase=phase)
    assert await house.purged(old, young) == ["old"]


async def test_the_definition_and_then_the_instance_say_how_long() -> None:
    house = House()
    house.retention.set_policy("shop", "order", {"succeeded": "1d"})
    own = hint("own", days=2, retention={"succeeded": "3d"})
    assert await house.purged(hint("a", days=2), own) == ["a"]
    house.retention.set_policy("shop", "order", None)
    assert await house.purged(hint("b", days=2)) == ["a"]


async def test_more_than_may_be_kept_go_oldest_first() -> None:
    house = House(count=2)
    kept = [hint(name, days=days) for name, days in (("a", 3), ("b", 1), ("c", 2), ("d", 4))]
    assert await house.purged(*kept) == ["d", "a"]


async def test_more_bytes_than_may_be_kept_go_oldest_first() -> None:
    house = House(finished=2500)
    kept = [hint(name, days=days) for name, days in (("a", 3), ("b", 1), ("c", 2), ("d", 4))]
    assert await house.purged(*kept) == ["d", "a"]


@pytest.mark.parametrize(
    "marks",
    [
        {"annotations": {"meta.helm.sh/release-name": "x"}},
        {"annotations": {"argocd.argoproj.io/tracking-id": "x"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}},
        {"labels": {"helm.toolkit.fluxcd.io/name": "x"}},
    ],
)
async def test_what_a_tool_owns_is_never_purged_unless_it_says_so_itself(
    marks: dict[str, object],
) -> None:
    house = House(count=0)
    owned = hint("owned", days=100, **marks)
    own = hint("own", days=100, retention={"succeeded": "1d"}, **marks)
    assert await house.purged(owned, own) == ["own"]


async def test_an_unfinished_instance_is_never_purged() -> None:
    house = House(count=0)
    live = hint("live", completed_at=None, is_finished=False, phase="Running")
    assert await house.purged(live) == []


def test_above_its_budget_a_namespace_takes_no_more_until_something_goes() -> None:
    house = House(total=1500)
    one, two = hint("a"), hint("b")
    house.retention.observe(one)
    assert house.retention.refusal("shop") is None
    house.retention.observe(two)
    first = house.retention.refusal("shop")
    assert first is not None
    house.retention.observe(hint("b", size=1001, version=6))
    assert house.retention.refusal("shop") == first, "a text that changes would be written again"
    assert house.retention.refusal("other") is None
    house.retention.forget(two.key)
    assert house.retention.refusal("shop") is None
