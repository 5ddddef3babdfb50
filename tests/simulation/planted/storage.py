"""Bugs of retention: what is purged, and when."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

RETENTION = "runtime/retention.py"

MUTANTS = (
    Mutant(
        name="unfinished-instance-purged",
        section="Where each piece of state lives",
        rule="retention deletes finished instances alone",
        changes=(
            Change(
                RETENTION,
                "        if hint.is_finished and hint.completed_at is not None and "
                "not hint.is_deleting:\n"
                "            entry = self._entry(hint, hint.completed_at)\n",
                "        if not hint.is_deleting:\n"
                "            entry = self._entry(hint, hint.completed_at or hint.created_at)\n",
            ),
            Change(
                RETENTION,
                "            age=hint.retention.get(hint.phase.lower()),\n",
                "            age=next(iter(hint.retention.values()), None),\n",
            ),
        ),
    ),
    Mutant(
        name="purged-at-once",
        section="Where each piece of state lives",
        rule="a finished instance is kept for as long as its retention says",
        changes=(
            Change(
                RETENTION,
                "f.completed_at + ages(f) <= now for f in kept]\n",
                "f.completed_at <= now for f in kept]\n",
            ),
        ),
    ),
    Mutant(
        name="purged-by-name",
        section="Where each piece of state lives",
        rule="a deletion names the uid of what it means",
        changes=(
            Change(
                "kubernetes/objects.py",
                '        preconditions: JsonObject = {"uid": uid}\n'
                "        if version is not None:\n"
                '            preconditions["resourceVersion"] = version\n',
                "        preconditions: JsonObject = {}\n",
            ),
        ),
    ),
    Mutant(
        name="purged-whatever-became-of-it",
        section="Where each piece of state lives",
        rule="a purge names the version that was found due: what changed since may be kept",
        changes=(
            Change(
                RETENTION,
                "                uid=key.uid,\n                version=str(victim.version),\n",
                "                uid=key.uid,\n",
            ),
        ),
    ),
    Mutant(
        name="owned-instance-purged",
        section="Where each piece of state lives",
        rule="what a deployment tool owns is not purged: the tool would create and run it again",
        changes=(
            Change(
                RETENTION,
                "            is_owned=is_owned and not hint.retention,\n",
                "            is_owned=False,\n",
            ),
        ),
    ),
)
