"""A simulation cannot ask the machine for anything without being found out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.simulation.guard import REFUSED, RealWorldError, real_world_refused


@pytest.mark.parametrize(("owner", "name"), REFUSED, ids=[name for _, name in REFUSED])
def test_the_machine_is_not_asked(owner: object, name: str) -> None:
    with real_world_refused():
        ask: Callable[[], object] = getattr(owner, name)
        with pytest.raises(RealWorldError, match=f"asked the machine for {name}"):
            ask()


def test_everything_is_as_before_afterwards() -> None:
    before = [getattr(owner, name) for owner, name in REFUSED]
    with real_world_refused():
        pass
    assert [getattr(owner, name) for owner, name in REFUSED] == before
