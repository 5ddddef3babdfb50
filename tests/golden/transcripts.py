"""Golden transcripts: a definition, the facts in their order, and what followed from each.

A transcript is a YAML file: `about`, `definition`, `input`, and a `story` of entries. Each has one
fact (see FACTS) and what it led to: `events`, one line each, with the time since the start; the
calls that are then `open`; and what the status says. Facts are written by people, the rest by
`pytest tests/golden --rewrite-golden`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from perdure.engine.events import HistoryEvent
from perdure.engine.fold import replay
from perdure.engine.state import State
from perdure.engine.summary import summarise
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import open_work
from perdure.kubernetes.codec import decode, encode
from perdure.language.durations import parse_duration
from perdure.testing import Story, failed, fresh_state, ok, started
from perdure.testing.clock import BEGINNING

FOLDER = Path(__file__).parent
HISTORIES = FOLDER / "histories" / "0.1"
"""Of the version under way; once it is released, its histories are never written anew."""


def _answer(story: Story, fact: Any) -> None:
    story.replies(
        {
            path: failed(**reply["failed"]) if "failed" in (reply or {}) else ok(**(reply or {}))
            for path, reply in fact.items()
        }
    )


def _event(story: Story, fact: Any) -> None:
    story.event(fact["name"], fact.get("data"), event_id=fact.get("id"))


def _pass(story: Story, fact: Any) -> None:
    story.now += parse_duration(fact)
    story.turn()


def _dead(story: Story, fact: Any) -> None:
    dead, story.incarnation = story.incarnation, fact
    story.turn(dead=frozenset({dead}))


FACTS: dict[str, Callable[[Story, Any], object]] = {
    "answer": _answer,  # {step path: {body, code, headers, accepted} or {failed: {kind, …}}}
    "event": _event,  # {name, data, id}
    "later": _pass,  # a duration
    "suspend": lambda story, fact: story.suspend(fact),
    "resume": lambda story, fact: story.resume(),
    "terminate": lambda story, fact: story.terminate(fact),
    "dead": _dead,  # this process is dead; the name of the one that finds out
}


def play(transcript: dict[str, Any]) -> tuple[Story, list[dict[str, Any]]]:
    """Return the story, and its entries with what followed from each fact."""
    begin, *entries = transcript["story"]
    story = started(transcript["definition"], transcript.get("input"))
    told = [{"start": begin.get("start"), **_told(story, 0)}]
    for entry in entries:
        (name,) = FACTS.keys() & entry.keys()
        count = len(story.events)
        FACTS[name](story, entry[name])
        told.append({name: entry[name], **_told(story, count)})
    return story, told


def _told(story: Story, count: int) -> dict[str, Any]:
    return {
        "events": [_line(event) for event in story.events[count:]],
        "open": [f"{work.path} (attempt {work.attempt})" for work in story.open],
        "status": f"{story.phase}: {story.summary.message}",
    }


def _line(event: HistoryEvent) -> str:
    """Return the event on one line: id, time since the start, type, and its fields."""
    stored = encode(event)
    head = f"{stored.pop('id')} +{_passed(event.at - BEGINNING)} {stored.pop('type')}"
    stored.pop("at", None)
    claim = stored.pop("claim", None)
    if isinstance(claim, dict):
        stored["by"] = f"{claim['incarnation']} #{claim['delivery']}"
    fields = "".join(f" {key}={json.dumps(value, sort_keys=True)}" for key, value in stored.items())
    return head + fields


def _passed(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds:g}s"


def read(path: Path) -> dict[str, Any]:
    """Return a transcript."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def write(path: Path, transcript: dict[str, Any]) -> None:
    """Write a transcript."""
    text = yaml.safe_dump(transcript, sort_keys=False, width=10_000, allow_unicode=True)
    path.write_text(text)


# --- stored histories -----------------------------------------------------------------------------


def stored_history(story: Story) -> JsonObject:
    """Return a history as it is kept for later versions: its events, and what they come to."""
    return {
        "events": [encode(event) for event in story.events],
        "comesTo": comes_to(story.state),
    }


def fold_stored(history: dict[str, Any]) -> State:
    """Return the state that a kept history folds to."""
    return replay(fresh_state(), [decode(event) for event in history["events"]])


def comes_to(state: State) -> JsonObject:
    """Return what every later version must make of a history alike."""
    summary = summarise(state)
    error = None if summary.error is None else summary.error.as_json()
    steps: Json = {path: unit.stage.value for path, unit in sorted(state.units.items())}
    work: Json = [[work.path, work.attempt, work.key, work.request] for work in open_work(state)]
    timers: Json = [[t.path, t.purpose.value, t.fire_at.isoformat()] for t in state.timers.values()]
    taken: Json = [*sorted(state.taken)]
    return {
        "phase": summary.phase.value,
        "progress": summary.progress,
        "output": summary.output,
        "error": error,
        "vars": dict(state.vars),
        "steps": steps,
        "open": work,
        "timers": timers,
        "inbox": [event.event_id for event in state.inbox],
        "taken": taken,
    }
