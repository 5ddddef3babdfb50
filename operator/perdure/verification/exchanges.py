"""How operators ask the API server: what they do after a refusal, and when told to slow down: I-36.

Only a simulation knows of every request; elsewhere these checks see nothing.
Source: docs/architecture.md#commit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from perdure.engine.values import Json, JsonObject
from perdure.verification.bodies import NOTHING, is_same
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.evidence import Exchange, Write
from perdure.verification.world import INSTANCES

REFUSED = 422
SLOW_DOWN = 429
FEW, A_WHILE = 20, timedelta(seconds=10)
"""So often at most is asked within such a time what is refused each time: back-off doubles."""
UID = "/metadata/uid"
COMMITS = "/workflowinstances/"

Findings = Iterator[Finding]
Process = tuple[str, int]
"""Identity and number of the start."""


def decided_anew(trial: Trial) -> Findings:
    """After a conflict the decision is dropped: nothing is committed again on a base that lost.

    Of an instance that is gone a process may hear once more: a watch that begins anew may lag.
    """
    versions = _versions(trial)
    for (actor, _), exchanges in _by_process(trial.evidence.exchanges).items():
        lost: dict[tuple[str, str], Exchange] = {}
        for one in exchanges:
            base = one.path, repr(one.tests)
            earlier = lost.get(base)
            is_later = earlier is not None and earlier.answered <= one.sent
            if earlier and is_later and _has_lost(versions, one) and not _is_gone(versions, one):
                yield Finding(
                    one.path, f"{actor} sent at {one.sent} what had lost at {earlier.answered}"
                )
            if _is_refused(one) and _has_lost(versions, one):
                lost.setdefault(base, one)


def _is_refused(one: Exchange) -> bool:
    """Return whether a commit was answered like a failed test, or a fault in what it says."""
    return one.code == REFUSED and bool(one.tests) and COMMITS in one.path


def _has_lost(versions: Mapping[str, list[Write]], one: Exchange) -> bool:
    """Return whether the object was another than the patch tested when it was looked at."""
    body = _body(versions, one)
    return any(not is_same(_at(body, path), value) for path, value in one.tests)


def _is_gone(versions: Mapping[str, list[Write]], one: Exchange) -> bool:
    """Return whether the object that was meant did not stand there any more, or another did."""
    uid = _at(_body(versions, one), UID)
    return any(path == UID and value != uid for path, value in one.tests)


def _body(versions: Mapping[str, list[Write]], one: Exchange) -> JsonObject:
    """Return the object as it was when the request was looked at; an empty one where none was."""
    writes = versions.get(_place(one.path), [])
    before = bisect_right(writes, one.revision, key=lambda write: write.revision)
    return (writes[before - 1].after if before else None) or NOTHING


def _at(body: JsonObject, pointer: str) -> Json:
    found: Json = body
    for key in pointer.strip("/").split("/"):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _versions(trial: Trial) -> Mapping[str, list[Write]]:
    """Return the writes of each instance by its place."""
    found: dict[str, list[Write]] = defaultdict(list)
    for write in trial.evidence.writes:
        if write.resource == INSTANCES:
            found[f"{write.namespace}/{INSTANCES}/{write.name}"].append(write)
    return found


def _place(path: str) -> str:
    """Return the part of a path that names the object."""
    return path.partition("/namespaces/")[2].removesuffix("/status")


def backs_off(trial: Trial) -> Findings:
    """What is refused for what it says is asked for less and less often."""
    versions = _versions(trial)
    for (actor, _), exchanges in _by_process(trial.evidence.exchanges).items():
        refused: dict[str, list[Exchange]] = defaultdict(list)
        for one in exchanges:
            if _is_refused(one) and not _has_lost(versions, one):
                refused[one.path].append(one)
        for path, each in refused.items():
            ends = zip(each, each[FEW:], strict=False)
            if any(last.sent - first.sent <= A_WHILE for first, last in ends):
                yield Finding(path, f"{actor} was refused {len(each)} times and did not slow down")


def waits_as_asked(trial: Trial) -> Findings:
    """After 429 a process sends nothing but renewals until Retry-After is over."""
    for (actor, _), exchanges in _by_process(trial.evidence.exchanges).items():
        asked = [one for one in exchanges if one.code == SLOW_DOWN and not one.is_urgent]
        for one in asked:
            until = one.answered + timedelta(seconds=one.retry_after or 0.0)
            hasty = [
                each
                for each in exchanges
                if not each.is_urgent and one.answered < each.sent < until
            ]
            for each in hasty[:1]:
                yield Finding(
                    each.path, f"{actor} sent it at {each.sent}, asked to wait until {until}"
                )


def _by_process(exchanges: Iterable[Exchange]) -> Mapping[Process, list[Exchange]]:
    found: dict[Process, list[Exchange]] = defaultdict(list)
    for one in exchanges:
        found[one.actor, one.start].append(one)
    return found


CHECKS = (
    EndCheck("I-1", decided_anew),
    EndCheck("I-36", backs_off),
    EndCheck("I-36", waits_as_asked),
)
