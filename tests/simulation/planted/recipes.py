"""Bugs of definitions and revisions: which recipe an instance runs, and for how long it stands."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

RECIPES, REVISIONS = "runtime/recipes.py", "runtime/revisions.py"

MUTANTS = (
    Mutant(
        name="definition-from-memory",
        section="Where each piece of state lives",
        rule="an instance is accepted on its definition as it stands, by a fresh look",
        changes=(
            Change(
                REVISIONS,
                "            body = await self._objects.get(WORKFLOW_DEFINITIONS, namespace, "
                "controls.definition)\n",
                "            place = (namespace, controls.definition)\n"
                "            body = self._bodies.get(place) or await self._objects.get(\n"
                "                WORKFLOW_DEFINITIONS, namespace, controls.definition\n"
                "            )\n"
                "            self._bodies[place] = body\n",
            ),
            Change(
                REVISIONS,
                "        self._programs: OrderedDict[str, Orchestrator] = OrderedDict()\n",
                "        self._programs: OrderedDict[str, Orchestrator] = OrderedDict()\n"
                "        self._bodies: dict[tuple[str, str], JsonObject] = {}\n",
            ),
        ),
    ),
    Mutant(
        name="newest-recipe-for-everybody",
        section="Where each piece of state lives",
        rule="an instance runs the recipe that it has pinned, whatever became of its definition",
        changes=(
            Change(
                REVISIONS,
                "        program = self._programs.get(revision.digest)\n",
                "        program = next(reversed(self._programs.values()), None)\n",
            ),
        ),
    ),
    Mutant(
        name="revision-not-written",
        section="Where each piece of state lives",
        rule="the recipe that an instance pins stands as a revision",
        changes=(
            Change(
                REVISIONS,
                "            found = await self._create(namespace, definition, revision, spec)\n",
                "            return revision\n",
            ),
        ),
    ),
    Mutant(
        name="pin-not-verified",
        section="Where each piece of state lives",
        rule="a revision that is not what was pinned parks the instance",
        changes=(
            Change(
                REVISIONS,
                "        if spec_digest(spec) != revision.digest:\n"
                "            raise RevisionMissingError(",
                "        if not spec:\n            raise RevisionMissingError(",
            ),
        ),
    ),
    Mutant(
        name="pin-without-a-digest",
        section="Where each piece of state lives",
        rule="a pin holds the digest of the very recipe",
        changes=(
            Change(
                REVISIONS,
                "        revision = Revision(name=revision_name(controls.definition, digest), "
                "digest=digest)\n",
                "        revision = Revision(\n"
                "            name=revision_name(controls.definition, digest), digest=digest[:10]\n"
                "        )\n",
            ),
        ),
    ),
    Mutant(
        name="revision-deleted-without-a-mark",
        section="Where each piece of state lives",
        rule="a revision that nobody needs is marked, and deleted long after that",
        changes=(
            Change(
                RECIPES,
                "        if since is None:\n"
                "            await self._objects.patch(CONTROLLER_REVISIONS, *place, "
                "marking(body, now))\n"
                "            return 0\n"
                "        if now - since <= KEPT_REVISIONS:\n",
                "        if since is not None and now - since <= KEPT_REVISIONS:\n",
            ),
        ),
    ),
    Mutant(
        name="revision-deleted-at-any-version",
        section="Where each piece of state lives",
        rule="the deletion of a revision names the version that was read with its mark",
        changes=(
            Change(
                RECIPES,
                "*place, uid=uid, version=version)\n",
                "*place, uid=uid)\n",
            ),
        ),
    ),
    Mutant(
        name="needed-revision-stays-marked",
        section="Where each piece of state lives",
        rule="whoever needs a revision takes off the mark under which it would be deleted",
        changes=(
            Change(
                REVISIONS,
                "        if not is_marked(found):\n            return\n",
                "        return\n        if not is_marked(found):\n            return\n",
            ),
        ),
    ),
    Mutant(
        name="pinned-revision-deleted",
        section="Where each piece of state lives",
        rule="a revision that an unfinished instance pins is not deleted, however old it is",
        changes=(
            Change(
                RECIPES,
                "            if place in needed:\n                continue\n",
                "            if place not in needed:\n                continue\n",
            ),
            Change(RECIPES, "timedelta(hours=1)\n", "timedelta(0)\n"),
            Change(RECIPES, "COLLECT_SECONDS = 600.0\n", "COLLECT_SECONDS = 5.0\n"),
        ),
    ),
    Mutant(
        name="definition-never-ready",
        section="Where each piece of state lives",
        rule="a definition that is good becomes ready, and what waits for it starts",
        changes=(
            Change(
                RECIPES,
                "        self._changed(namespace, name)\n",
                "        return\n",
            ),
        ),
    ),
)
