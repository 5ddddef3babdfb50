"""Bugs of the log: what statuses show of it, when, and what is destroyed then."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

SHELF, SHOWING = "kubernetes/log/shelf.py", "kubernetes/log/showing.py"

MUTANTS = (
    Mutant(
        name="showing-tests-no-rev",
        section="Reflecting",
        rule="a status patch tests rev and digest: another process may have shown more",
        is_logged=True,
        changes=(
            Change(
                "kubernetes/plan.py",
                '        values.append(("/status/rev", basis.rev))\n'
                "        if basis.position.is_present:\n",
                "        if ():\n",
            ),
        ),
    ),
    Mutant(
        name="end-shown-on-an-older-spec",
        section="Reflecting",
        rule="what shows the end tests the generation: it shows the newest",
        is_logged=True,
        changes=(
            Change(
                "kubernetes/log/reflection.py",
                "        return self.view.generation if is_end(self.records) else None\n",
                "        return None\n",
            ),
        ),
    ),
    Mutant(
        name="ends-shown-late",
        section="Reflecting",
        rule="ends and waits are shown at once",
        is_logged=True,
        changes=(Change(SHOWING, "AT_ONCE = 0.0\n", "AT_ONCE = 60.0\n"),),
    ),
    Mutant(
        name="progress-never-shown",
        section="Reflecting",
        rule="progress is shown after 5 s",
        is_logged=True,
        changes=(
            Change(SHOWING, "PROGRESS_SECONDS = 5.0\n", "PROGRESS_SECONDS = 5000.0\n"),
            Change(
                SHOWING,
                "LONG_WAIT = timedelta(seconds=PROGRESS_SECONDS)\n",
                "LONG_WAIT = timedelta(seconds=5)\n",
            ),
        ),
    ),
    Mutant(
        name="left-over-turns-not-shown",
        section="Reflecting",
        rule="who takes a lane shows what its last owner left",
        is_logged=True,
        changes=(
            Change(
                SHELF,
                "                    self._wants(key.uid, AT_ONCE)\n",
                "",
            ),
        ),
    ),
    Mutant(
        name="left-over-counts-as-told",
        section="Reflecting",
        rule="own echoes are news of an instance of which no watch has told yet",
        is_logged=True,
        changes=(
            Change(
                SHELF,
                "held.is_told = False  # It may be",
                "held.is_told = True  # It may be",
            ),
        ),
    ),
    Mutant(
        name="event-deleted-before-it-is-shown",
        section="Reflecting",
        rule="a WorkflowEvent is deleted when a status shows the turn that took it",
        is_logged=True,
        changes=(
            Change(
                "runtime/events.py",
                "        if not await self._shown(taken.key, taken.rev):\n",
                "        if taken.rev < 0:\n",
            ),
        ),
    ),
)
