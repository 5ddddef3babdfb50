"""Bugs of the log: how its slots are made and read, what entries hold, and what is answered."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

OWNING, PLACING = "kubernetes/log/owning.py", "kubernetes/log/placing.py"
CARRYING, SLOTS = "lanes/carrying.py", "kubernetes/log/slots.py"

MUTANTS = (
    Mutant(
        name="slot-written-whatever-stands-there",
        section="Entries",
        rule="an entry replaces what its writer saw: the PUT names that resourceVersion",
        is_logged=True,
        changes=(
            Change(
                SLOTS,
                "        answer = await self._objects.replace(",
                '        newest = await self.get(str(metadata_of(body)["name"]))\n'
                "        if newest is not None:\n"
                '            metadata_of(body)["resourceVersion"] = newest.version\n'
                "        answer = await self._objects.replace(",
            ),
            Change(
                "resources/log.py",
                "            cel=\"self.seq > oldSelf.seq || (oldSelf.kind == 'Opening' && "
                "self.kind == 'Empty') || \"\n"
                '            "self == oldSelf",\n',
                "            cel=\"oldSelf.kind != 'Closed' || self == oldSelf\",\n",
            ),
        ),
    ),
    Mutant(
        name="entry-carries-nothing",
        section="Entries",
        rule="an entry carries the turns of the slot that it replaces which no status shows",
        is_logged=True,
        changes=(
            Change(
                CARRYING,
                "            carried=self.carried_by(self.next_seq),\n",
                "            carried=(),\n",
            ),
        ),
    ),
    Mutant(
        name="claim-carries-nothing",
        section="Entries",
        rule="a claim carries what it replaces, as every entry does",
        is_logged=True,
        changes=(
            Change(
                "kubernetes/log/claiming.py",
                "            carried=(*slot.entry.carried, *slot.entry.turns),\n",
                "            carried=(),\n",
            ),
        ),
    ),
    Mutant(
        name="one-turn-too-many-taken-for-shown",
        section="Entries",
        rule="a turn is carried until a status shows that very turn",
        is_logged=True,
        changes=(
            Change(
                "kubernetes/log/shelf.py",
                "            self._is_shown(key.uid, after.basis.rev)\n",
                "            self._is_shown(key.uid, after.basis.rev + 1)\n",
            ),
        ),
    ),
    Mutant(
        name="opened-before-all-slots-stand",
        section="Opening",
        rule="the first slot becomes an empty one when all others exist",
        is_logged=True,
        changes=(
            Change(
                "kubernetes/log/opening.py",
                "        await self._create_all(generation, sorted(wanted))\n",
                "",
            ),
            Change(
                "kubernetes/log/opening.py",
                "            raise LogDamagedError(missing(deciding.name)) from error\n",
                "            raise LogDamagedError(missing(deciding.name)) from error\n"
                "        await self._create_all(generation, sorted(wanted))\n",
            ),
        ),
    ),
    Mutant(
        name="unknown-entry-taken-for-standing",
        section="Writing",
        rule="after an answer that never came the slot is read",
        is_logged=True,
        changes=(
            Change(
                PLACING,
                "    TransientError,\n)",
                "    TransientError,\n    UnknownOutcomeError,\n)",
            ),
            Change(
                PLACING,
                "                return error\n            seen = await",
                "                return error\n"
                "            if isinstance(error, UnknownOutcomeError):\n"
                "                return Placed(entry, self._place.version)\n"
                "            seen = await",
            ),
        ),
    ),
    Mutant(
        name="answered-before-the-entry-stands",
        section="Writing",
        rule="a turn is answered when its entry stands",
        is_logged=True,
        changes=(
            Change(
                OWNING,
                "        groups, refused = [turns], dict[tuple[str, int], Refused]()\n",
                "        groups, refused = [turns], dict[tuple[str, int], Refused]()\n"
                "        for turn in turns:\n"
                '            self._answer(turn, Stands(""))\n',
            ),
            Change(
                OWNING,
                "        answer = self._answers.pop(name_of(turn))\n        if not answer.done():",
                "        answer = self._answers.pop(name_of(turn), None)\n"
                "        if answer is not None and not answer.done():",
            ),
        ),
    ),
    Mutant(
        name="fenced-turn-never-answered",
        section="Writing",
        rule="whoever is fenced answers the turns that are not decided",
        is_logged=True,
        changes=(
            Change(
                OWNING, "                answer.set_result(Fenced())\n", "                pass\n"
            ),
        ),
    ),
    Mutant(
        name="refused-while-a-try-may-land",
        section="Writing",
        rule="a turn that is refused alone is rejected when something else stands in its slot",
        is_logged=True,
        changes=(
            Change(
                OWNING,
                "                refused[name_of(group[0])] = Refused(decision.message, "
                "decision.is_too_large)\n",
                "                self._answer(\n"
                "                    group[0], Refused(decision.message, decision.is_too_large)\n"
                "                )\n",
            ),
            Change(
                OWNING,
                "        answer = self._answers.pop(name_of(turn))\n        if not answer.done():",
                "        answer = self._answers.pop(name_of(turn), None)\n"
                "        if answer is not None and not answer.done():",
            ),
        ),
    ),
)
