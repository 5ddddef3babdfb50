"""Bugs of claims: who may send a call, how often, and who may take over."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

CALLS, TAKING = "runtime/calls.py", "language/taking.py"
VIGIL, PRESENCE = "kubernetes/vigil.py", "kubernetes/presence.py"

FRESH_LOOK = (
    "            fresh = await self._store.load(base.key, fresh=True)\n"
    "            if fresh is None:\n"
    "                return await self._gone(base.key)\n"
)

MUTANTS = (
    Mutant(
        name="claim-sent-again",
        section="Claims",
        rule="a process sends one claim once",
        changes=(
            Change(
                CALLS,
                "        return flight.sent.get(work.scheduled_id) == "
                "(work.claim.claim_id, work.is_accepted)\n",
                "        return work.scheduled_id in flight.tasks\n",
            ),
        ),
    ),
    Mutant(
        name="claim-sent-from-an-old-copy",
        section="Claims",
        rule="a claim whose commit was not answered is sent only after a fresh look",
        changes=(
            Change(
                "runtime/turn.py",
                FRESH_LOOK,
                "            fresh = await self._store.load(base.key)\n"
                "            if fresh is None:\n"
                "                return await self._gone(base.key)\n",
            ),
            Change(
                "kubernetes/reading.py",
                "        if held is not None and held.version > snapshot.version:\n"
                "            return held\n",
                "",
            ),
            Change(
                "kubernetes/reading.py",
                "        if held is not None and held.version >= hint.version:\n",
                "        if held is not None and held.version == hint.version:\n",
            ),
            Change(
                "kubernetes/reading.py",
                "        if self._floors.get(uid, 0) > hint.version:\n            return None\n",
                "",
            ),
            Change(
                "kubernetes/reading.py",
                "            if body is not None and (held is None or held.version < version):\n",
                "            if body is not None:\n",
            ),
            Change(
                "kubernetes/reading.py",
                "        if held is not None and held.version >= version_of(body):\n",
                "        if held is not None and held.version == version_of(body):\n",
            ),
        ),
    ),
    Mutant(
        name="living-claimant-displaced",
        section="Claims",
        rule="a process is dead when its Lease has not changed for 15 s, not before",
        changes=(
            Change(
                VIGIL,
                "        return watched.silent_seconds >= self._dead_seconds\n",
                "        return watched.silent_seconds >= 1.0\n",
            ),
        ),
    ),
    Mutant(
        name="silences-added-up",
        section="Claims",
        rule="a change of its Lease makes a process alive again, whatever was before",
        changes=(
            Change(
                VIGIL,
                "            self._watched[incarnation] = _Watched(version)\n"
                "            return False\n",
                "            watched.version = version\n            return False\n",
            ),
            Change(
                VIGIL,
                "        watched.silent_seconds += step\n",
                "        watched.silent_seconds += 2 * step\n",
            ),
        ),
    ),
    Mutant(
        name="silent-for-ever",
        section="Claims",
        rule="what was found out about a silent process is true for a moment, no longer",
        changes=(
            Change(
                VIGIL,
                "self._is_silent(watched) and now < self._fresh_until\n",
                "(watched.is_told or self._is_silent(watched))\n",
            ),
            Change(
                VIGIL,
                "[incarnation] = _Watched(version)\n",
                "[incarnation] = _Watched(version, is_told=watched.is_told)\n",
            ),
        ),
    ),
    Mutant(
        name="everybody-else-is-dead",
        section="Claims",
        rule="another process may commit the next delivery only when the claimant is dead",
        changes=(
            Change(
                PRESENCE,
                "        return identity_of(incarnation) == self._identity or",
                "        return identity_of(incarnation) != self._identity or",
            ),
        ),
    ),
    Mutant(
        name="restart-does-not-displace",
        section="Claims",
        rule="a restart under the same identity takes over what its predecessor had claimed",
        changes=(
            Change(
                PRESENCE,
                "        return identity_of(incarnation) == self._identity or self._vigil.is_dead(",
                "        return self._vigil.is_dead(",
            ),
            Change(
                PRESENCE,
                "        if self.is_dead(incarnation):\n"
                "            self._deaths.put_nowait(incarnation)\n"
                "        else:\n",
                "        if identity_of(incarnation) != self._identity:\n",
            ),
        ),
    ),
    Mutant(
        name="mute-process-sends",
        section="Claims",
        rule="a process that could not renew its Lease for 10 s sends nothing",
        changes=(
            Change(
                PRESENCE,
                "        return not self.lost.is_set() and not self._is_released and "
                "not self._is_mute\n",
                "        return not self.lost.is_set() and not self._is_released\n",
            ),
        ),
    ),
    Mutant(
        name="mute-process-claims",
        section="Claims",
        rule="a process that could not renew its Lease for 10 s claims nothing",
        changes=(
            Change(
                "runtime/deciding.py",
                "        is_held = not self._presence.may_send and _claims(decided.events)\n",
                "        is_held = False\n",
            ),
        ),
    ),
    Mutant(
        name="held-claim-forgotten",
        section="Claims",
        rule="a process that was mute takes its work up by itself when it is heard again",
        changes=(
            Change(
                "runtime/turn.py",
                "        retry_in = None if started and not decision.is_held else "
                "PAUSE.total_seconds()\n",
                "        retry_in = None if started else PAUSE.total_seconds()\n",
            ),
        ),
    ),
    Mutant(
        name="believed-at-once-after-a-silence",
        section="Claims",
        rule="a process that was mute sends nothing until 5 s after its next renewal",
        changes=(
            Change(
                PRESENCE,
                "        is_settled = self._clock.monotonic() >= self._settled_at\n",
                "        is_settled = True\n",
            ),
        ),
    ),
    Mutant(
        name="lease-hardly-renewed",
        section="Claims",
        rule="the Lease is renewed every 2 s, so that a living process is never taken for dead",
        changes=(
            Change(
                PRESENCE,
                "    renew_seconds: float = 2.0\n",
                "    renew_seconds: float = 40.0\n",
            ),
        ),
    ),
    Mutant(
        name="lost-lease-taken-back",
        section="Claims",
        rule="a process that finds another incarnation in its Lease ends",
        changes=(
            Change(
                PRESENCE,
                '            LOG.error("another process has this identity", extra=self._fields())\n'
                "            self.lost.set()\n",
                "            self._lease = found\n",
            ),
        ),
    ),
    Mutant(
        name="takeover-counts-no-delivery",
        section="Claims",
        rule="each delivery of an attempt has a number of its own",
        changes=(
            Change(
                TAKING,
                "        delivery=activity.claim.delivery + 1,\n",
                "        delivery=activity.claim.delivery,\n",
            ),
        ),
    ),
    Mutant(
        name="takeover-under-the-old-claim",
        section="Claims",
        rule="each delivery has a claim id of its own",
        changes=(
            Change(
                TAKING,
                '    claim_id = f"{run.facts.commit_id}.{run.state.last_id + 1}"\n',
                "    claim_id = activity.claim.claim_id\n",
            ),
        ),
    ),
    Mutant(
        name="abandoned-too-early",
        section="Claims",
        rule="an attempt fails with Abandoned after 20 deliveries, not before",
        changes=(Change(TAKING, "MAX_DELIVERIES = 20\n", "MAX_DELIVERIES = 1\n"),),
    ),
    Mutant(
        name="never-abandoned",
        section="Claims",
        rule="after 20 deliveries an attempt fails with Abandoned",
        changes=(Change(TAKING, "MAX_DELIVERIES = 20\n", "MAX_DELIVERIES = 99\n"),),
    ),
    Mutant(
        name="suspended-call-taken-over",
        section="The turn",
        rule="while an instance is suspended nothing is claimed again",
        changes=(
            Change(
                TAKING,
                "    if run.state.is_suspended:\n        return\n    while",
                "    while not run.state.is_suspended and",
            ),
            Change(
                TAKING,
                " not run.facts.holds_timers and (timer := _due(run)) is not None:\n",
                " not run.facts.holds_timers and (timer := _due(run)):\n",
            ),
        ),
    ),
    Mutant(
        name="renewal-by-the-clock-alone",
        section="Claims",
        rule="every renewal changes the Lease, also by a clock that stands still",
        changes=(
            Change(
                "kubernetes/leases.py",
                '    if moment == fields.get("renewTime"):\n',
                "    if not moment:\n",
            ),
        ),
    ),
    Mutant(
        name="deleted-lease-written-anew",
        section="Claims",
        rule="a process whose Lease is gone ends: to others it may be dead",
        changes=(
            Change(
                PRESENCE,
                '            LOG.error("the Lease is gone", extra=self._fields())\n'
                "            self.lost.set()\n"
                "            return\n",
                "            found = new_lease(lease_name(self._identity), self._namespace)\n"
                "            self._lease = await self._objects.create(\n"
                "                LEASES, self._namespace, self._ours(found)\n"
                "            )\n"
                "            return\n",
            ),
        ),
    ),
    Mutant(
        name="death-goes-unnoticed",
        section="Claims",
        rule="the claims of a dead process are taken over",
        changes=(
            Change(
                "runtime/instances.py",
                "                if record.has_calls:\n"
                "                    self._mark(record.key, Lane.TIMER)\n",
                "                pass\n",
            ),
        ),
    ),
    Mutant(
        name="unknown-outcome-taken-over",
        section="What is promised after a crash",
        rule="with onUnknown: Fail a call whose claimant died is not repeated",
        changes=(
            Change(
                TAKING,
                "    if fails_on_unknown and not activity.is_accepted:\n",
                "    if fails_on_unknown and activity.is_accepted:\n",
            ),
        ),
    ),
    Mutant(
        name="unknown-outcome-tried-again",
        section="What is promised after a crash",
        rule="with onUnknown: Fail there is no attempt after one whose answer was lost",
        changes=(
            Change(
                "language/verbs/http.py",
                "    if failure is not None and failure.unknown and place.step.fails_on_unknown:\n"
                "        return unknown_outcome(activity, failure)\n",
                "",
            ),
        ),
    ),
)
