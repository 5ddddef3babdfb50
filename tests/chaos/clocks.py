"""An operator's wall clock that can be set while it runs; its monotonic clock stays true.

By libfaketime, which is loaded into the process and reads the offset from a file
(https://github.com/wolfcw/libfaketime). Where it is not installed, there are no faults of clocks,
and `missing` says so.
"""

import platform
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.trial import now

PLACES = (
    f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
)
READ_EVERY_SECONDS = 1
"""How often the library looks at the file: a jump comes that much late."""


def library() -> Path | None:
    """Return where libfaketime is, None where it is not."""
    return next((Path(place) for place in PLACES if Path(place).exists()), None)


def missing() -> str | None:
    """Return what to do that clocks can jump; None if they can."""
    if library() is not None:
        return None
    return "libfaketime is not installed: NO CLOCK JUMPS (apt-get install libfaketime)"


class WallClock:
    """The clock of one process, by a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._settings: list[tuple[float, float]] = []
        """Every offset that was set, after when that was."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.set(0.0)

    def set(self, offset: float) -> None:
        """Let the clock be so many seconds ahead; behind, if negative."""
        self._settings.append((now(), offset))
        partial = self._file.with_suffix(".partial")
        partial.write_text(f"{offset:+.3f}\n")
        partial.rename(self._file)  # never read half-written

    def furthest(self, since: float, until: float) -> float:
        """Return how far the clock was from the truth at most within a span of true times."""
        ends = [at for at, _ in self._settings[1:]] + [float("inf")]
        offsets = (
            abs(offset)
            for (began, offset), ended in zip(self._settings, ends, strict=True)
            if began <= until and ended + READ_EVERY_SECONDS >= since
        )
        return max(offsets, default=0.0)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what a process is started with to have this clock."""
        found = library()
        if found is None:
            return {}
        return {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(READ_EVERY_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
