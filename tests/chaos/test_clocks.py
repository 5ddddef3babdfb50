"""A clock that is meddled with is one for times of day only."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.chaos.clocks import WallClock, missing
from tests.e2e.trial import now

PROGRAM = """
import sys, time
for _ in sys.stdin:
    print(time.time(), time.monotonic(), flush=True)
"""


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_wall_clock_jumps_while_the_monotonic_one_goes_on(tmp_path: Path) -> None:
    clock = WallClock(tmp_path / "clock")
    clock.set(3600.0)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM],
        env=dict(clock.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        ahead, before = asked(process)
        assert 3590 < ahead - now() < 3610
        clock.set(-60.0)
        offset, after = asked(process)[0] - now(), before
        while offset > 0:  # the library looks at the file once a second
            offset, after = asked(process)[0] - now(), asked(process)[1]
        assert -70 < offset < -50
        assert 0 <= after - before < 10
        process.communicate()


def asked(process: "subprocess.Popen[str]") -> tuple[float, float]:
    """Return the wall clock and the monotonic clock of the process."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wall, monotonic = process.stdout.readline().split()
    return float(wall), float(monotonic)


def test_how_far_a_clock_was_off_is_asked_of_a_span(tmp_path: Path) -> None:
    clock, began = WallClock(tmp_path / "clock"), now()
    assert clock.furthest(began - 10, began + 10) == 0
    clock.set(-5.0)
    clock.set(2.0)
    ended = now()
    assert clock.furthest(began, ended) == 5
    assert clock.furthest(ended + 10, ended + 20) == 2
    assert clock.furthest(began - 20, began - 10) == 0
