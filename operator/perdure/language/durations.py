"""Durations and times as users write them: `500ms`, `30s`, `5m`, `1h30m`, `7d`; RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

SMALLEST = timedelta(milliseconds=100)
"""The smallest delay: literals below it are refused, computed ones are raised to it."""
LARGEST = timedelta(days=36_500)

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|[dhms])")


def parse_duration(text: str) -> timedelta:
    """Return the length; raise ValueError saying what is expected.

    Units d, h, m, s, ms, each at most once and from large to small. Source: docs/language.md.
    """
    seconds, position, last = 0.0, 0, 1e12
    for match in _PART.finditer(text):
        size = _UNITS[match[2]]
        if match.start() != position or size >= last:
            break
        seconds, position, last = seconds + float(match[1]) * size, match.end(), size
    if position != len(text) or not text:
        raise ValueError(f'"{text}" is not a duration: write 500ms, 30s, 5m, 1h30m or 7d')
    if seconds > LARGEST.total_seconds():
        raise ValueError(f'"{text}" is longer than 100 years')
    return timedelta(seconds=seconds)


def parse_delay(text: str) -> timedelta:
    """Return a computed delay, raised to the smallest one; raise ValueError like above.

    A negative one, such as the time until a moment that has passed, is raised too.
    """
    if text.startswith("-"):
        parse_duration(text[1:])
        return SMALLEST
    return max(parse_duration(text), SMALLEST)


def parse_time(text: str) -> datetime:
    """Return a time in UTC; raise ValueError when the text is no RFC 3339 time with a zone."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f'"{text}" is not a time: write RFC 3339, such as 2027-01-31T09:00:00Z')
