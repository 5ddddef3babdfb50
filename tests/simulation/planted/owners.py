"""Bugs of the log: who owns a lane, what of it is known then, and what is left when it goes."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

KEEPER, READING = "kubernetes/log/keeper.py", "kubernetes/log/reading.py"
INSTANCES = "runtime/instances.py"

MUTANTS = (
    Mutant(
        name="log-not-asked-after-a-claim",
        section="Claiming",
        rule="the state of an instance is its status and the turns of the lane above it",
        is_logged=True,
        changes=(
            Change(
                KEEPER,
                "        self._store.adopt(lane, since, view.turns())\n",
                "        self._store.adopt(lane, since, ())\n",
            ),
        ),
    ),
    Mutant(
        name="unshown-state-forgotten",
        section="Claiming",
        rule="what is held is forgotten when a status shows all of it",
        is_logged=True,
        changes=(
            Change(
                READING,
                "        if held.is_shown and key.uid not in self._busy:\n            self._drop(",
                "        if held is not None:\n            self._drop(",
            ),
        ),
    ),
    Mutant(
        name="echo-of-what-was-forgotten-believed",
        section="Claiming",
        rule="what was forgotten is not believed again from an older echo",
        is_logged=True,
        changes=(
            Change(
                READING,
                "            self._lift(key.uid, held.snapshot.version)\n",
                "",
            ),
            Change(
                INSTANCES,
                "                self._ended[key.uid] = snapshot.version\n",
                "                self._ended[key.uid] = 0\n",
            ),
        ),
    ),
    Mutant(
        name="gained-ones-get-no-turn",
        section="Claiming",
        rule="who takes a lane gives a turn to all that others have moved until then",
        is_logged=True,
        changes=(
            Change(
                INSTANCES,
                "        keys = {**self._unserved, **{uid: record.key for uid, record in "
                "self._records.items()}}\n",
                "        keys = {uid: record.key for uid, record in self._records.items()}\n",
            ),
        ),
    ),
    Mutant(
        name="lost-lane-still-served",
        section="Spreading",
        rule="who loses a lane leaves its instances to others",
        is_logged=True,
        changes=(Change(KEEPER, "        self._store.lose(lane)\n", ""),),
    ),
    Mutant(
        name="lane-taken-and-not-listed",
        section="Spreading",
        rule="a lane is listed in the Lease before calls are made in it",
        is_logged=True,
        changes=(
            Change(
                KEEPER,
                "            while not await self._list():\n",
                "            while self._presence.lost.is_set():\n",
            ),
        ),
    ),
    Mutant(
        name="let-go-by-an-older-look",
        section="Spreading",
        rule="a claimant has left a lane if a look says so that began after our claim",
        is_logged=True,
        changes=(
            Change(
                KEEPER,
                "        self._claimed_at[lane] = self._clock.monotonic()\n",
                "        self._claimed_at[lane] = -1.0\n",
            ),
        ),
    ),
    Mutant(
        name="let-go-noticed-by-nobody",
        section="Spreading",
        rule="when a claimant has left a lane its calls are taken over",
        is_logged=True,
        changes=(
            Change(
                KEEPER,
                "        for lane in (self._listed & self._owned) - others:\n",
                "        for lane in (self._listed & self._owned) - others - self._owned:\n",
            ),
        ),
    ),
    Mutant(
        name="given-back-and-listed",
        section="Spreading",
        rule="who gives a lane back leaves it and lists it no more",
        is_logged=True,
        changes=(
            Change(
                KEEPER,
                '"heir": heir})\n            self._lose(lane, FENCED_SECONDS)\n',
                '"heir": heir})\n',
            ),
        ),
    ),
    Mutant(
        name="lanes-of-the-dead-are-held",
        section="Spreading",
        rule="a lane that no living process lists is free",
        is_logged=True,
        changes=(
            Change(
                "kubernetes/presence.py",
                "if one.holder and not self._is_ours_or_dead(one.holder)]",
                "if one.holder not in (self._incarnation, '')]",
            ),
        ),
    ),
    Mutant(
        name="dead-after-three-seconds",
        section="Spreading",
        rule="a holder is dead when its Lease has not changed for 8 s",
        is_logged=True,
        changes=(Change("kubernetes/log/presence.py", "dead_seconds=8.0", "dead_seconds=3.0"),),
    ),
    Mutant(
        name="cut-off-one-sends-on",
        section="Spreading",
        rule="who could not renew for 5 s sends no calls",
        is_logged=True,
        changes=(Change("kubernetes/log/presence.py", "mute_seconds=5.0", "mute_seconds=10.0"),),
    ),
)
