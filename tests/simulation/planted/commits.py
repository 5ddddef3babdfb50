"""Bugs of the commit: what it tests, what its outcome means, and what waits for it."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

TURN, STORE, PLAN = "runtime/turn.py", "kubernetes/store.py", "kubernetes/plan.py"
RECORDS = "kubernetes/records.py"

MUTANTS = (
    Mutant(
        name="effect-before-commit",
        section="The turn",
        rule="nothing leaves the process before the event that intends it is committed",
        changes=(
            Change(
                TURN,
                "        (outcome,) = await self._store.commit([decision.turn])\n"
                "        self._meter",
                "        self._calls.reconcile(base.key, decision.turn.state)\n"
                "        (outcome,) = await self._store.commit([decision.turn])\n"
                "        self._meter",
            ),
        ),
    ),
    Mutant(
        name="blind-repeat-after-an-unknown-outcome",
        section="Commit",
        rule="an unknown outcome is resolved by reading, never by repeating",
        changes=(
            Change(
                STORE,
                "        except UnknownOutcomeError as error:\n"
                "            return await self._after_unknown(turn, error)\n",
                "        except UnknownOutcomeError:\n"
                '            again = [o for o in planned.operations if o["op"] != "test"]\n'
                "            return await self._patch(turn, replace(planned, operations=again))\n",
            ),
        ),
    ),
    Mutant(
        name="unknown-outcome-taken-for-success",
        section="Commit",
        rule="after a lost answer a commit counts only if its id is in the history",
        changes=(
            Change(
                STORE,
                "        if commit_id != turn.commit_id:\n            return Conflict()\n",
                "        if commit_id is None:\n            return Committed(snapshot)\n",
            ),
        ),
    ),
    Mutant(
        name="lost-commit-left-alone",
        section="Commit",
        rule="after a commit whose fate could not be read the instance gets another turn",
        changes=(
            Change(
                TURN,
                "                return Rest(again=True, retry_in=1.0)\n",
                "                return Rest()\n",
            ),
        ),
    ),
    Mutant(
        name="instances-told-apart-by-name-alone",
        section="Commit",
        rule="a deletion and a creation under one name make two instances, told apart by uid",
        changes=(
            Change(
                PLAN,
                '    values: list[tuple[str, Json]] = [("/metadata/uid", basis.key.uid)]\n',
                "    values: list[tuple[str, Json]] = []\n",
            ),
            Change(
                "kubernetes/reading.py",
                "        return body if key_of(body).uid == key.uid else None\n",
                "        return body\n",
            ),
        ),
    ),
    Mutant(
        name="uid-not-tested",
        section="Commit",
        rule="every commit tests the uid: the object may be another one of the same name",
        changes=(
            Change(
                PLAN,
                '    values: list[tuple[str, Json]] = [("/metadata/uid", basis.key.uid)]\n',
                "    values: list[tuple[str, Json]] = []\n",
            ),
        ),
    ),
    Mutant(
        name="rev-not-tested",
        section="Commit",
        rule="every commit tests where the history stood that its decision was based on",
        changes=(
            Change(
                PLAN,
                '        values.append(("/status/rev", basis.rev))\n'
                "        if basis.position.is_present:\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutant(
        name="digest-not-tested",
        section="Commit",
        rule="nobody builds on a history that somebody edited after it was read",
        changes=(
            Change(PLAN, "        if basis.position.is_present:\n", "        if False:\n"),
            Change(
                STORE,
                "        if not is_as_written(body, planned.position):\n"
                "            return Conflict()  # Somebody edited its events: loading, which comes "
                "next, says so.\n",
                "",
            ),
        ),
    ),
    Mutant(
        name="answer-of-a-commit-not-looked-at",
        section="Commit",
        rule="the history that the answer to a commit holds is compared with the one meant",
        changes=(
            Change(
                STORE,
                "        if not is_as_written(body, planned.position):\n"
                "            return Conflict()  # Somebody edited its events: loading, which comes "
                "next, says so.\n",
                "",
            ),
        ),
    ),
    Mutant(
        name="rev-not-raised",
        section="Commit",
        rule="every commit raises the counter of commits",
        changes=(
            Change(
                "kubernetes/status.py",
                '"rev": (rev or 0) + 1, "commitId"',
                '"rev": max(rev or 0, 1), "commitId"',
            ),
        ),
    ),
    Mutant(
        name="first-commit-tests-no-version",
        section="Commit",
        rule="the first commit of an instance tests its resourceVersion",
        changes=(
            Change(
                PLAN,
                '        values.append(("/metadata/resourceVersion", str(basis.version)))\n',
                "        pass\n",
            ),
        ),
    ),
    Mutant(
        name="end-tests-no-generation",
        section="Commit",
        rule="a commit that ends the instance tests the generation of its spec",
        changes=(
            Change(
                PLAN,
                "    generation = turn.base.generation if is_ending(turn) else None\n",
                "    generation = None\n",
            ),
        ),
    ),
    Mutant(
        name="end-decided-by-an-old-spec",
        section="Commit",
        rule="a commit that decides the end tests the generation of the spec, too",
        changes=(
            Change(PLAN, "    return decides or (after", "    return decides is None or (after"),
        ),
    ),
    Mutant(
        name="conflict-taken-for-a-rejection",
        section="Commit",
        rule="a 422 is a rejection only if all values that the patch tested still hold",
        changes=(
            Change(
                STORE,
                "        if not has_moved(turn, body):\n            return Rejected(str(error))\n",
                "        if body is not None:\n            return Rejected(str(error))\n",
            ),
        ),
    ),
    Mutant(
        name="rejection-taken-for-a-conflict",
        section="Commit",
        rule="a commit that is rejected for what it says is not decided anew at once, but shown",
        changes=(
            Change(
                STORE,
                "        if not has_moved(turn, body):\n            return Rejected(str(error))\n",
                "        if not has_moved(turn, body):\n            return Conflict()\n",
            ),
        ),
    ),
    Mutant(
        name="commit-carries-no-id",
        section="Commit",
        rule="the first event of every commit carries its random id",
        changes=(
            Change(
                RECORDS,
                '        if event is events[0]:\n            stored["commitId"] = commit_id\n',
                "        if event is events[0] and event.id == 1:\n"
                '            stored["commitId"] = commit_id\n',
            ),
            Change(
                "runtime/deciding.py",
                "            events[0] = _stamped(events[0], commit_id)\n",
                "            events[0] = events[0]\n",
            ),
        ),
    ),
    Mutant(
        name="decision-kept-after-a-conflict",
        section="Commit",
        rule="after a conflict the instance is read anew: the copy that lost is of no use",
        changes=(
            Change(
                TURN,
                "                fresh = await self._store.load(base.key, fresh=True)\n"
                "                return await self._gone(base.key) if fresh is None else fresh\n",
                "                return base\n",
            ),
        ),
    ),
    Mutant(
        name="throttled-commit-forgotten",
        section="Commit",
        rule="a commit that the API server put off is tried again after the time it names",
        changes=(
            Change(
                TURN,
                "                return Rest(snapshot=base, retry_in=seconds)\n",
                "                return Rest(snapshot=base)\n",
            ),
        ),
    ),
    Mutant(
        name="asked-to-slow-down-in-vain",
        section="Commit",
        rule="after 429 nothing but renewals is sent before Retry-After is over",
        changes=(
            Change(
                "kubernetes/gate.py",
                "        self._opens_at = max(self._opens_at, now + ticket.retry_after)\n",
                "        self._opens_at = max(self._opens_at, now)\n",
            ),
        ),
    ),
    Mutant(
        name="failed-turn-repeated-at-once",
        section="The turn",
        rule="a turn that fails again and again is tried less and less often",
        changes=(
            Change(
                "runtime/instances.py",
                "        seconds = min(FIRST_BACKOFF * 2 ** min(failures, 20), LONGEST_BACKOFF)\n",
                "        seconds = FIRST_BACKOFF / 10\n",
            ),
        ),
    ),
    Mutant(
        name="deletion-not-noticed",
        section="Commit",
        rule="of an instance that is being deleted nothing is scheduled, created or sent",
        changes=(
            Change(
                TURN,
                "            if base.is_deleting or base.state.ended is not None:\n"
                "                return await self._over(base)\n",
                "            if base.state.ended is not None:\n"
                "                return await self._over(base)\n",
            ),
        ),
    ),
)
