"""Bugs of external events: taken once, in order, in time, by the right one, and then tidied up."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

TURN, EVENTS, INBOX = "runtime/turn.py", "runtime/events.py", "runtime/inbox.py"
TAKING = "language/taking.py"
ONCE = "    if event.id in run.state.taken:\n        return\n"

MUTANTS = (
    Mutant(
        name="events-taken-again",
        section="What is promised after a crash",
        rule="an external event counts once per id",
        changes=(Change(TAKING, ONCE, ""),),
    ),
    Mutant(
        name="events-deduplicated-in-memory",
        section="The turn",
        rule="which events were taken is known from the history, not from memory",
        changes=(
            Change(
                TAKING,
                ONCE,
                "    seen = (run.facts.incarnation, run.state.uid, event.id)\n"
                "    if seen in SEEN:\n"
                "        return\n"
                "    SEEN.add(seen)\n",
            ),
            Change(
                TAKING,
                "Fact = Callable[[Run], None]\n",
                "Fact = Callable[[Run], None]\nSEEN: set[tuple[str, str, str]] = set()\n",
            ),
        ),
    ),
    Mutant(
        name="event-deleted-before-the-commit",
        section="What is promised after a crash",
        rule="a WorkflowEvent is deleted after the commit that took it",
        changes=(
            Change(
                TURN,
                "        (outcome,) = await self._store.commit([decision.turn])\n"
                "        self._meter",
                "        self._desk.consumed(decision.consumed, base)\n"
                "        (outcome,) = await self._store.commit([decision.turn])\n"
                "        self._meter",
            ),
        ),
    ),
    Mutant(
        name="taken-event-not-deleted",
        section="Where each piece of state lives",
        rule="a WorkflowEvent that was taken is deleted, also if that failed at first",
        changes=(
            Change(
                EVENTS,
                "            self._unfinished[one.event.uid] = one\n",
                "",
            ),
            Change(
                TURN,
                "            self._desk.consumed(self._desk.taken(base), base)\n",
                "            pass\n",
            ),
        ),
    ),
    Mutant(
        name="event-refused-without-a-look",
        section="What is promised after a crash",
        rule="an event is refused for want of its instance only after a fresh look for it",
        changes=(
            Change(
                EVENTS,
                "        try:\n"
                "            found = await self._objects.get(WORKFLOW_INSTANCES, event.namespace, "
                "event.instance)\n"
                "        except ObjectNotFoundError:\n"
                '            await self._mark(event, "Refused", reason, message)\n'
                "            return\n"
                '        meta = found["metadata"]\n'
                '        assert isinstance(meta, dict), "an instance without metadata"\n'
                '        if event.instance_uid not in (None, meta["uid"]):\n'
                '            await self._mark(event, "Refused", reason, message)\n',
                '        await self._mark(event, "Refused", reason, message)\n',
            ),
            Change(
                EVENTS,
                "        if uid is None and now - event.created_at > KEPT_UNANSWERED:\n",
                "        if uid is None:\n",
            ),
        ),
    ),
    Mutant(
        name="late-event-without-an-answer",
        section="What is promised after a crash",
        rule="an event that comes after the end is refused, visibly",
        changes=(
            Change(TURN, "            self._desk.refuse_ended(base)\n", "            pass\n"),
        ),
    ),
    Mutant(
        name="large-event-without-an-answer",
        section="Bounds",
        rule="an event that cannot be taken is refused, with its reason",
        changes=(Change(TURN, "        self._desk.refused(decision.refused)\n", "        pass\n"),),
    ),
    Mutant(
        name="large-event-taken",
        section="Bounds",
        rule="the data of one event have at most 16 KiB",
        changes=(
            Change(
                "engine/external.py",
                "MAX_EVENT_BYTES = 16 * 1024\n",
                "MAX_EVENT_BYTES = 12 * 1024\n",
            ),
        ),
    ),
    Mutant(
        name="event-of-another-instance",
        section="What is promised after a crash",
        rule="an event that names a uid is for the instance of that uid alone",
        changes=(
            Change(
                INBOX,
                "            and event.instance_uid in (None, key.uid)\n",
                "",
            ),
        ),
    ),
    Mutant(
        name="events-out-of-order",
        section="The turn",
        rule="WorkflowEvents are taken in the order in which they were created",
        changes=(
            Change(
                INBOX,
                "        return sorted(events.values(), key=lambda event: event.version)\n",
                "        return sorted(events.values(), key=lambda event: -event.version)\n",
            ),
        ),
    ),
    Mutant(
        name="time-out-without-a-last-look",
        section="The turn",
        rule="a turn that ends a wait because its time is over looks for events once more",
        changes=(
            Change(
                TURN,
                "        while not looked_for.issuperset(over := _time_outs(base.state, "
                "decision.turn.events)):\n",
                "        while over := set():\n",
            ),
        ),
    ),
    Mutant(
        name="one-last-look-for-all",
        section="The turn",
        rule="a wait whose time is over during a last look gets a look of its own",
        changes=(
            Change(
                TURN,
                "            looked_for |= over\n",
                "            looked_for.update(base.state.timers)\n",
            ),
        ),
    ),
    Mutant(
        name="last-look-at-the-cache",
        section="The turn",
        rule="the last look before a time-out is a fresh one, at the instance and its events",
        changes=(
            Change(
                TURN,
                "        await self._desk.refresh(key)\n"
                "        return await self._store.load(key, fresh=True)\n",
                "        return await self._store.load(key)\n",
            ),
        ),
    ),
    Mutant(
        name="timers-before-events",
        section="The turn",
        rule="facts are taken in a fixed order: events before timers",
        changes=(
            Change(
                TAKING,
                "    for event in run.facts.events:\n"
                "        yield partial(take_event, event=event)\n"
                "    if run.state.is_suspended:\n"
                "        return\n"
                "    while not run.facts.holds_timers and (timer := _due(run)) is not None:\n"
                "        yield partial(fire, timer=timer)\n",
                "    while not (run.state.is_suspended or run.facts.holds_timers) and (\n"
                "        timer := _due(run)\n"
                "    ) is not None:\n"
                "        yield partial(fire, timer=timer)\n"
                "    for event in run.facts.events:\n"
                "        yield partial(take_event, event=event)\n"
                "    if run.state.is_suspended:\n"
                "        return\n",
            ),
        ),
    ),
    Mutant(
        name="one-event-for-two-waits",
        section="What is promised after a crash",
        rule="an event satisfies at most one wait",
        changes=(
            Change(
                "engine/external.py",
                "        inbox=tuple(e for e in state.inbox if e.received_id not in used),\n",
                "        inbox=state.inbox,\n",
            ),
        ),
    ),
    Mutant(
        name="wait-over-too-early",
        section="What is promised after a crash",
        rule="a wait for several events is over when so many have come",
        changes=(
            Change(
                "language/verbs/event.py",
                "    if len(matching) < wait.count:\n",
                "    if not matching:\n",
            ),
        ),
    ),
    Mutant(
        name="fresh-list-drops-what-came-meanwhile",
        section="The turn",
        rule="what the watch brought while a list was on its way is not lost by it",
        changes=(
            Change(
                EVENTS,
                "        known = self.inbox.all_of(key.namespace, key.name)\n"
                "        found = await self._objects.list(\n"
                '            WORKFLOW_EVENTS, key.namespace, fields=f"spec.instance={key.name}"\n'
                "        )\n",
                "        found = await self._objects.list(\n"
                '            WORKFLOW_EVENTS, key.namespace, fields=f"spec.instance={key.name}"\n'
                "        )\n"
                "        known = self.inbox.all_of(key.namespace, key.name)\n",
            ),
        ),
    ),
)
