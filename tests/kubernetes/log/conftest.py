"""What tests of the log share."""

from collections.abc import Iterator

import pytest
from tests.kubernetes.log.laboratory import Laboratory

from perdure.lanes import ring

SLOTS = 8


@pytest.fixture
def small_ring(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lanes of few slots, so that they come round."""
    monkeypatch.setattr(ring, "SLOTS", SLOTS)
    return SLOTS


@pytest.fixture
def laboratory(small_ring: int) -> Iterator[Laboratory]:
    """An open log with one lane."""
    laboratory = Laboratory()
    laboratory.open()
    yield laboratory
    laboratory.close()
