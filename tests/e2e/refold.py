"""The fold of a stored history gives the stored status again, also in another interpreter.

`python -m tests.e2e.refold FILE` folds what `history.write_dumps` wrote, prints one line per
instance (uid and a digest of its state), and ends with 1 if any status differs.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ROOT
from tests.e2e.history import Dump, History, history_of, read_dumps, sha256, write_dumps

from perdure.engine.external import time_text
from perdure.engine.fold import replay
from perdure.engine.state import State
from perdure.engine.summary import summarise
from perdure.kubernetes.codec import decode
from perdure.kubernetes.payloads import unescaped
from perdure.kubernetes.status import error_json, waiting_json

ELSEWHERE = {"PYTHONHASHSEED": "4711", "TZ": "XYZ-13:45", "LC_ALL": "C"}
SHOWN_WITH_OBSERVATIONS = ("phase", "message", "waitingFor")


def fold_of(dump: Dump, history: History) -> State:
    """Return the state that the history folds to, from nothing."""
    namespace = dump.instance["metadata"]["namespace"]
    empty = State(uid=dump.uid, namespace=namespace, name=dump.name)
    return replay(empty, (decode(event, history.payloads) for event in history.events))


def refold(dump: Dump) -> tuple[State, list[str]]:
    """Return the state, and every field of the stored status that it does not give again."""
    history = history_of(dump)
    state = fold_of(dump, history)
    return state, list(differences(dump.status, state, history))


def differences(status: dict[str, Any], state: State, history: History) -> Iterator[str]:
    again = shown(state)
    stored = {field: status.get(field) for field in again}
    if stored["output"] is not None:
        stored["output"] = unescaped(stored["output"], history.payloads)
    if "observed" in status:  # what only the outside knows stands in these fields
        for field in SHOWN_WITH_OBSERVATIONS:
            stored.pop(field)
    for field, value in stored.items():
        if value != again[field]:
            yield f"{field} is {value!r}, the history gives {again[field]!r}"


def shown(state: State) -> dict[str, Any]:
    """Return what a status shows of a state; None where it shows nothing."""
    summary, revision = summarise(state), state.revision
    times = {
        "startedAt": summary.started_at,
        "completedAt": summary.completed_at,
        "wakeAt": summary.wake_at,
    }
    return {
        "phase": summary.phase.value,
        "message": summary.message,
        "progress": summary.progress,
        "waitingFor": [waiting_json(waiting) for waiting in summary.waiting_for] or None,
        "revision": revision and {"name": revision.name, "digest": revision.digest},
        "output": summary.output,
        "error": None if summary.error is None else error_json(summary.error),
        **{field: None if time is None else time_text(time) for field, time in times.items()},
    }


def digest_of(state: State) -> str:
    """Return a digest of everything in the state."""
    return sha256(repr(state).encode())


def refold_elsewhere(dumps: Sequence[Dump], file: Path) -> list[str]:
    """Fold here, and in a fresh interpreter with another hash seed, time zone and locale.

    Returns what differs: from the stored status, or from one interpreter to the other. The
    histories stay in `file`.
    """
    write_dumps(dumps, file)
    faults: list[str] = []
    here = []
    for dump in dumps:
        state, differing = refold(dump)
        faults += [f"{dump.name}: {each}" for each in differing]
        here.append(f"{dump.uid} {digest_of(state)}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.refold", str(file)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **ELSEWHERE},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        faults.append(f"elsewhere: {done.stderr.strip()}")
    if done.stdout.splitlines() != here:
        faults.append(f"the states elsewhere are others; see {file}")
    return faults


def main(file: Path) -> int:
    faults = 0
    for dump in read_dumps(file):
        state, differing = refold(dump)
        print(dump.uid, digest_of(state))
        for each in differing:
            print(f"{dump.name}: {each}", file=sys.stderr)
        faults += len(differing)
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.e2e.refold FILE")
    sys.exit(main(Path(sys.argv[1])))
