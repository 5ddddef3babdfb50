"""How far this machine's clock is from the API server's, by the `Date` of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

RESOLUTION = timedelta(seconds=1)
"""`Date` has whole seconds, rounded down (RFC 9110 §5.6.7)."""

SLOW = timedelta(seconds=2)
"""A slower answer allows for so much that agreement means nothing."""


class SkewMeter:
    """Keeps the newest measurement."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._text = ""
        self._date = datetime.min.replace(tzinfo=UTC)

    def measure(self, date: str | None, sent: datetime, received: datetime) -> None:
        """Take one answer into account; one without a readable `Date` changes nothing."""
        moment = None if date is None else self._parsed(date)
        if moment is None:
            return
        seconds = distance(moment, sent, received).total_seconds()
        if seconds > 0 or received - sent <= SLOW:
            self.seconds = seconds

    def _parsed(self, text: str) -> datetime | None:
        # Thousands of answers carry the same second.
        if text != self._text:
            try:
                parsed = parsedate_to_datetime(text)
            except ValueError:
                return None
            self._text = text
            self._date = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return self._date


def distance(date: datetime, sent: datetime, received: datetime) -> timedelta:
    """Return how far `date` is from [sent − 1 s, received]; zero within."""
    return max(sent - RESOLUTION - date, date - received, timedelta())
