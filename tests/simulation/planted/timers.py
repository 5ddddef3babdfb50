"""Bugs of time: timers, wake-ups, and the dates of events."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

TAKING, TURN = "language/taking.py", "runtime/turn.py"
INSTANCES, WAKES = "runtime/instances.py", "runtime/wakes.py"

MUTANTS = (
    Mutant(
        name="timer-rounded-down",
        section="Time",
        rule="a timer does not fire early, not by a fraction of a second",
        changes=(
            Change(
                TAKING,
                "if t.fire_at <= run.now]\n",
                "if t.fire_at.replace(microsecond=0) <= run.now]\n",
            ),
            Change(
                WAKES,
                "        seconds = at.timestamp()\n",
                "        seconds = float(int(at.timestamp()))\n",
            ),
        ),
    ),
    Mutant(
        name="timer-due-a-moment-early",
        section="Time",
        rule="a timer that is about to be due is not due",
        changes=(
            Change(
                TAKING,
                "if t.fire_at <= run.now]\n",
                "if (t.fire_at - run.now).total_seconds() < 0.25]\n",
            ),
        ),
    ),
    Mutant(
        name="timer-by-a-clock-that-is-off",
        section="Time",
        rule="a process whose clock is more than 2 s off fires no timer",
        changes=(
            Change(
                "runtime/deciding.py",
                "            holds_timers=self.is_stopping or not self._clock.is_trusted(),\n",
                "            holds_timers=self.is_stopping,\n",
            ),
        ),
    ),
    Mutant(
        name="event-times-go-back",
        section="Time",
        rule="the time of an event is never before that of the event before it",
        changes=(
            Change(
                "engine/recorder.py",
                "        self._at = now if state.last_at is None else max(now, state.last_at)\n",
                "        self._at = now\n",
            ),
        ),
    ),
    Mutant(
        name="timer-of-a-suspended-instance",
        section="The turn",
        rule="while an instance is suspended no timer fires",
        changes=(
            Change(
                TAKING,
                "    if run.state.is_suspended:\n        return\n    while",
                "    while",
            ),
        ),
    ),
    Mutant(
        name="step-of-a-suspended-instance",
        section="The turn",
        rule="while an instance is suspended nothing is scheduled",
        changes=(
            Change(
                "language/flow.py",
                "    if run.state.is_suspended or run.facts.starts_nothing",
                "    if run.facts.starts_nothing",
            ),
        ),
    ),
    Mutant(
        name="wake-not-set",
        section="Time",
        rule="when a turn is over its instance is woken for its next timer",
        changes=(
            Change(
                INSTANCES,
                "        self.wakes.set(key, rest.wake_at)\n        self._keep_warm(key)\n",
                "        self._keep_warm(key)\n",
            ),
        ),
    ),
    Mutant(
        name="wake-lost-by-a-restart",
        section="Time",
        rule="after a start every timer is known again, and every instance gets a turn",
        changes=(
            Change(
                INSTANCES,
                "        self.wakes.set(key, hint.wake_at)\n        self._mark(key, lane)\n",
                "        if lane is not Lane.RESYNC:\n"
                "            self.wakes.set(key, hint.wake_at)\n"
                "            self._mark(key, lane)\n",
            ),
        ),
    ),
    Mutant(
        name="wakes-come-late",
        section="Time",
        rule="a timer fires within a second of its time where nothing disturbs",
        changes=(
            Change(
                WAKES,
                "        while self._heap and self._heap[0][0] <= now:\n",
                "        while self._heap and self._heap[0][0] <= now - 8:\n",
            ),
        ),
    ),
    Mutant(
        name="mark-lost-while-running",
        section="The turn",
        rule="a fact that arrives during a turn marks the instance, and the turn runs again",
        changes=(
            Change(
                "runtime/queue.py",
                "            self._again[key] = min(lane, self._again.get(key, lane))\n"
                "            return\n",
                "            return\n",
            ),
        ),
    ),
    Mutant(
        name="two-turns-at-once",
        section="The turn",
        rule="at most one turn per instance runs at a time",
        changes=(
            Change(
                "runtime/queue.py",
                "        if key in self._running:\n",
                "        if key is None:\n",
            ),
        ),
    ),
    Mutant(
        name="failed-turn-not-repeated",
        section="The turn",
        rule="a turn that failed is tried again after a while",
        changes=(
            Change(
                INSTANCES,
                "        self._later(key, seconds, Lane.RESYNC)\n",
                "        return\n",
            ),
        ),
    ),
)
