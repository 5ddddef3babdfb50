"""Entering a commit: each of its events is judged, taken down and folded, then the turn is judged.

It is the same for a turn that a status commits and for one that stands in the log. Only new events
are decoded and folded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence

from perdure.engine.fold import fold
from perdure.engine.values import Json, JsonObject
from perdure.errors import HistoryCorruptError, NewerHistoryError
from perdure.kubernetes.codec import decode
from perdure.verification.accounts import Committed
from perdure.verification.bodies import number, part, text, time_of
from perdure.verification.chain import Link
from perdure.verification.checks import (
    Check,
    Commit,
    EventCheck,
    Showing,
    StatusCheck,
    TurnCheck,
)
from perdure.verification.evidence import Violation
from perdure.verification.postings import take
from perdure.verification.progress import referred
from perdure.verification.registry import CHECKS, name_of


def entered(commit: Commit, links: Sequence[Link]) -> Generator[Violation, None, Committed]:
    """Enter the events of a commit, yield what is wrong with it, and return how it stands."""
    account = commit.account
    commit.new = [link.event for link in links]
    commit.waits = () if account.state is None else account.state.waits
    account.length += len(links)
    account.digest = links[-1].digest if links else account.digest
    for event in commit.new:
        yield from _event(commit, event)
    if commit.is_whole:
        for check in TURNS:
            for words in check.run(commit):
                yield violation(commit, check.invariant, said(check, words))
    return _committed(commit)


def shown(showing: Showing, *, is_whole: bool = True) -> Iterator[Violation]:
    """Yield what is wrong with a status, once its events are entered."""
    for check in STATUSES:
        if is_whole or not check.needs_log:
            for words in check.run(showing):
                yield violation(showing, check.invariant, said(check, words))


def _event(commit: Commit, event: JsonObject) -> Iterator[Violation]:
    account, at = commit.account, commit.write.at
    for check in EVENTS[text(event.get("type"))]:
        if commit.is_whole or not check.needs_log:
            for words in check.run(commit, event):
                yield violation(commit, check.invariant, said(check, words))
    take(account, event, commit.write, at if commit.is_whole else time_of(event.get("at")))
    if "commitId" in event and not commit.is_whole:
        account.commit_ids.add(text(event["commitId"]))
    references = referred(event)
    account.payloads.update(text(one.get("ref")) for one in references)
    values = _values(commit, references)
    kept = text(part(event, "request", "$payload").get("ref"))
    if kept in values:  # An attempt is judged by its whole request, wherever that is.
        account.attempts[number(event.get("id"))].request = part(values[kept])
    if account.state is not None:
        yield from _folded(commit, event, values)


def _folded(commit: Commit, event: JsonObject, values: Mapping[str, Json]) -> Iterator[Violation]:
    """Fold the event; from one that cannot be on, nothing is compared with the fold."""
    account = commit.account
    assert account.state is not None, "there is a state to go on from"
    try:
        account.state = fold(account.state, decode(event, values))
    except (HistoryCorruptError, NewerHistoryError, AssertionError, KeyError) as error:
        account.state = None
        words = f"event {event.get('id')} cannot be folded: {error}"
        yield violation(commit, "I-28", f"foldable: {words}")


def _values(commit: Commit, references: Sequence[JsonObject]) -> Mapping[str, Json]:
    """Return the payloads that an event refers to, by name."""
    values: dict[str, Json] = {}
    for reference in references:
        name = text(reference.get("ref"))
        kept = commit.world.kept(commit.account, name)
        if kept is not None and kept.is_sound:
            values[name] = kept.value
    return values


def _committed(commit: Commit) -> Committed:
    """Return the commit as the account keeps it; one without events is kept by nobody."""
    account = commit.account
    account.rev = number(commit.rev)
    account.generation = max(account.generation, commit.generation)
    account.commit_ids.add(commit.commit_id)
    if commit.has("EndRequested") or (commit.has("InstanceEnded") and not account.end_base):
        account.end_base = commit.base
    committed = Committed(
        rev=account.rev,
        write=commit.write,
        first_id=account.length - len(commit.new) + 1,
        last_id=account.length,
        is_urgent=_is_urgent(commit),
    )
    if commit.new:
        account.commits.append(committed)
    return committed


def _is_urgent(commit: Commit) -> bool:
    """Return whether somebody may act upon it: it ends, is suspended or resumed, or waits anew."""
    if commit.has("InstanceEnded", "InstanceSuspended", "InstanceResumed"):
        return True
    state = commit.account.state
    return state is not None and bool(state.waits.keys() - set(commit.waits))


def said(check: Check, words: str) -> str:
    """Return what a check says, with its name before it."""
    return f"{name_of(check)}: {words}"


def violation(found: Commit | Showing, invariant: str, words: str) -> Violation:
    """Return what is wrong with a commit, or with a status."""
    return Violation(
        invariant=invariant,
        subject=found.account.subject,
        text=words,
        revision=found.write.revision,
    )


class _ByType(defaultdict[str, tuple[EventCheck, ...]]):
    """The checks of each type of events; those without types are for all."""

    def __missing__(self, kind: str) -> tuple[EventCheck, ...]:
        checks = (check for check in CHECKS if isinstance(check, EventCheck))
        self[kind] = tuple(check for check in checks if not check.types or kind in check.types)
        return self[kind]


EVENTS = _ByType()
TURNS = tuple(check for check in CHECKS if isinstance(check, TurnCheck))
STATUSES = tuple(check for check in CHECKS if isinstance(check, StatusCheck))
