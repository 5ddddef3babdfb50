"""Prometheus metrics: every name and label there is, in one table.

Labels come from closed lists, never from users. Names: docs/reference/metrics.md.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from perdure.version import VERSION

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "instances_started_total": ("Instances accepted.", ()),
    "instances_finished_total": ("Instances ended, by outcome.", ("outcome",)),
    "instances_purged_total": ("Finished instances deleted by retention.", ()),
    "activity_attempts_total": (
        "Deliveries of activities, by kind and outcome.",
        ("step_kind", "outcome"),
    ),
    "events_received_total": ("External events taken, by the door they came by.", ("door",)),
    "turn_errors_total": ("Turns that failed, by reason.", ("reason",)),
    "commits_total": ("Commits, by outcome.", ("outcome",)),
}
GAUGES: dict[str, str] = {
    "queue_depth": "Instances that wait for a turn.",
    "timers_pending": "Instances with a timer.",
    "instances_live": "Instances that have not ended.",
    "activities_in_flight": "Activities this process carries out now.",
    "watch_age_seconds": "Seconds since the API server last said something, worst watch.",
    "clock_skew_seconds": "Distance of this clock from the API server's.",
    "lease_age_seconds": "Seconds since this process renewed its Lease.",
}
HISTOGRAMS: dict[str, str] = {
    "turn_duration_seconds": "How long a turn took.",
    "timer_lateness_seconds": "How long after its time a timer fired.",
}


class PrometheusMeter:
    """The Meter of an operator; `render` is what a scrape gets."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"perdure_{name}", text, labels, registry=self._registry)
            for name, (text, labels) in COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"perdure_{name}", text, registry=self._registry)
            for name, text in GAUGES.items()
        }
        self._histograms = {
            name: Histogram(f"perdure_{name}", text, registry=self._registry)
            for name, text in HISTOGRAMS.items()
        }
        info = Gauge(
            "perdure_build_info", "1, with the version.", ("version",), registry=self._registry
        )
        info.labels(version=VERSION).set(1)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; KeyError for a name that is not in the table."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def level(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge; gauges have no labels."""
        assert not labels, "gauges have no labels"
        self._gauges[name].set(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add to a histogram; histograms have no labels."""
        assert not labels, "histograms have no labels"
        self._histograms[name].observe(max(0.0, seconds))

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)
