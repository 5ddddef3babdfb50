"""Bugs of the history: its chain, its segments and payloads, its bounds, and what is orphaned."""

from __future__ import annotations

from tests.simulation.planted.mutant import Change, Mutant

STORE, PLAN = "kubernetes/store.py", "kubernetes/plan.py"
RECORDS = "kubernetes/records.py"

MUTANTS = (
    Mutant(
        name="reference-before-the-object",
        section="History",
        rule="segments and payloads are created before the commit that refers to them",
        changes=(
            Change(
                STORE,
                "        try:\n"
                "            await self._create(turn.base.key, planned)\n"
                "        except PerdureError as error:\n"
                "            self._suspect(turn, planned)\n"
                "            return not_committed(error)\n"
                "        outcome = await self._patch(turn, planned)\n"
                "        self._tidying.moved(turn.base.key.uid)\n"
                "        if not isinstance(outcome, Committed):\n"
                "            self._suspect(turn, planned)\n"
                "        return outcome\n",
                "        outcome = await self._patch(turn, planned)\n"
                "        if isinstance(outcome, Committed):\n"
                "            await self._create(turn.base.key, planned)\n"
                "        return outcome\n",
            ),
        ),
    ),
    Mutant(
        name="occupied-name-taken-for-success",
        section="History",
        rule="what is there under the name of a segment or payload counts only after a look at it",
        changes=(
            Change(
                "kubernetes/histories.py",
                "        except (ObjectConflictError, UnknownOutcomeError):\n"
                "            await self._check(key, name, spec)\n",
                "        except (ObjectConflictError, UnknownOutcomeError):\n            return\n",
            ),
        ),
    ),
    Mutant(
        name="dying-object-taken-for-success",
        section="History",
        rule="a segment or payload that is being deleted is not there",
        changes=(
            Change(
                "kubernetes/histories.py",
                '        if "deletionTimestamp" in metadata_of(found):\n',
                "        if False:\n",
            ),
        ),
    ),
    Mutant(
        name="dead-leave-orphans",
        section="History",
        rule="whoever commits the end of a call that was taken over tidies up after the dead",
        changes=(
            Change(
                STORE,
                "        if isinstance(outcome, Committed) and ends_a_takeover(turn):\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutant(
        name="orphan-deleted-too-early",
        section="History",
        rule="an object is an orphan only when no commit can come that refers to it",
        changes=(
            Change(
                "kubernetes/orphans.py",
                "        return first_id < head.first_id\n"
                '    return spec.get("kind") == "Payload" and first_id <= head.length\n',
                '        return True\n    return spec.get("kind") == "Payload"\n',
            ),
        ),
    ),
    Mutant(
        name="committed-payload-taken-for-an-orphan",
        section="History",
        rule="what the committed history refers to is no orphan, in whichever segment it stands",
        changes=(
            Change(
                "kubernetes/orphans.py",
                "    for record in tail.after(0):\n",
                "    for record in tail.after(head.length - 1):\n",
            ),
        ),
    ),
    Mutant(
        name="orphans-never-deleted",
        section="History",
        rule="an object that no commit came to refer to is deleted later",
        changes=(
            Change(
                "kubernetes/tidying.py",
                "        suspects, self._suspects = self._suspects, {}\n        done = 0\n",
                "        suspects: dict[str, InstanceKey] = {}\n        done = 0\n",
            ),
        ),
    ),
    Mutant(
        name="chain-begins-anew",
        section="History",
        rule="the hash chain runs through all events of an instance and never restarts",
        changes=(
            Change(
                RECORDS,
                "    records: list[Record] = []\n",
                '    records: list[Record] = []\n    digest = "0" * 64 if length else digest\n',
            ),
        ),
    ),
    Mutant(
        name="spill-drops-an-event",
        section="History",
        rule="a spill moves events into segments, all of them",
        changes=(
            Change(
                PLAN,
                "position.hot[: len(position.hot) - kept], position.newest)",
                "position.hot[: len(position.hot) - kept - 1], position.newest)",
            ),
        ),
    ),
    Mutant(
        name="segment-names-no-predecessor",
        section="History",
        rule="each segment names the one before it with its digest",
        changes=(
            Change(
                "kubernetes/segments.py",
                '        spec["previous"] = previous.as_json()\n',
                "        pass\n",
            ),
        ),
    ),
    Mutant(
        name="status-outgrows-its-bound",
        section="Bounds",
        rule="past 32 KiB of status older events move to segments",
        changes=(Change(PLAN, "MAX_STATUS = 32 * 1024\n", "MAX_STATUS = 320 * 1024\n"),),
    ),
    Mutant(
        name="segment-outgrows-its-bound",
        section="Bounds",
        rule="a segment takes at most 128 KiB of events",
        changes=(
            Change(
                "kubernetes/segments.py",
                "MAX_SEGMENT_BYTES = 128 * 1024\n",
                "MAX_SEGMENT_BYTES = 1280 * 1024\n",
            ),
        ),
    ),
    Mutant(
        name="commit-outgrows-its-bound",
        section="Bounds",
        rule="one commit adds at most 500 events, the rest follows in another turn",
        changes=(Change("engine/recorder.py", "MAX_EVENTS = 500\n", "MAX_EVENTS = 50_000\n"),),
    ),
    Mutant(
        name="rest-of-a-long-turn-forgotten",
        section="Bounds",
        rule="what a turn could not decide any more is decided by the next one, at once",
        changes=(
            Change(
                "runtime/turn.py",
                "snapshot.state.ended is not None or is_full(len(decision.turn.events)):\n",
                "snapshot.state.ended is not None:\n",
            ),
            Change(
                "runtime/turn.py",
                "            return snapshot\n        if decision.goes_on:\n"
                "            return Rest(snapshot=snapshot, again=True)\n",
                "            return snapshot\n",
            ),
        ),
    ),
    Mutant(
        name="history-without-a-limit",
        section="Bounds",
        rule="an instance whose history is as long as one may be fails with HistoryLimit",
        changes=(
            Change(
                "language/flow.py",
                "    if run.state.is_running and run.state.last_id >= MAX_HISTORY:\n",
                "    if run.state.is_running and run.state.last_id >= 90_000:\n",
            ),
        ),
    ),
    Mutant(
        name="output-outgrows-its-bound",
        section="Bounds",
        rule="an output over 16 KiB is shown as a reference",
        changes=(
            Change(
                "kubernetes/status.py",
                "MAX_INLINE_OUTPUT = 16 * 1024\n",
                "MAX_INLINE_OUTPUT = 160 * 1024\n",
            ),
        ),
    ),
    Mutant(
        name="status-tells-the-state-before",
        section="History",
        rule="the rest of the status follows from the history that the same commit writes",
        changes=(
            Change(
                "kubernetes/status.py",
                "        state=turn.state,\n",
                "        state=base.state,\n",
            ),
        ),
    ),
    Mutant(
        name="damage-not-noticed",
        section="History",
        rule="on a history whose digest does not match nothing is written",
        changes=(
            Change(
                "kubernetes/loading.py",
                "    if _end(start, records) != digest:\n        raise HistoryCorruptError(",
                "    if not records and not digest:\n        raise HistoryCorruptError(",
            ),
        ),
    ),
    Mutant(
        name="numbers-kept-as-they-came",
        section="History",
        rule="a value is brought into one form before it enters a history",
        changes=(
            Change(
                "engine/values.py",
                "    if value.is_integer() and INT64_MIN <= value <= INT64_MAX:\n",
                "    if value.is_integer() and value > INT64_MAX:\n",
            ),
        ),
    ),
    Mutant(
        name="newer-form-written-on",
        section="History",
        rule="an operator that meets a history of a newer form leaves the instance alone",
        changes=(
            Change(
                "kubernetes/codec.py",
                "    if version > VERSION:\n",
                "    if version > 99:\n",
            ),
            Change(
                STORE,
                "    found = {field: history.get(field) for field in expected}\n",
                '    found = {**expected, "events": history.get("events")}\n',
            ),
        ),
    ),
)
