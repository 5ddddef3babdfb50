"""The Watcher: takes accepted writes one after the other and says at once what is wrong.

It costs what is new: only new events are hashed, decoded and folded. Source: docs/proof.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from perdure.engine.fold import fold
from perdure.engine.values import Json, JsonObject
from perdure.errors import HistoryCorruptError, NewerHistoryError
from perdure.kubernetes.codec import decode
from perdure.verification.accounts import Account, Committed, note_spec, opened, take
from perdure.verification.bodies import is_deleting, number, part, text, time_of
from perdure.verification.checks import Commit, CommitCheck, EventCheck, WriteCheck
from perdure.verification.evidence import Violation, Violations, Write
from perdure.verification.histories import payload_of
from perdure.verification.progress import FORM, Fault, enter, progress_of, referred
from perdure.verification.registry import CHECKS
from perdure.verification.world import HISTORIES, INSTANCES, Bounds, World, note

EXACT = Bounds()


class Watcher:
    """Holds what has been written so far. Feed it every write, in order of revision.

    Of a write after which nothing can be said with certainty about an instance's history (a broken
    chain, whoever broke it), this is reported once and the instance judged no further.
    """

    def __init__(self, bounds: Bounds = EXACT) -> None:
        self.world = World(bounds)

    def observe(self, write: Write) -> Violations:
        """Return what this write breaks."""
        found = list(self._checked(write))
        if write.resource == INSTANCES:
            found += self._instance(write)
        else:
            note(self.world, write)
            if write.resource == HISTORIES and write.before is None:
                self._keep(write)
        return found

    def _checked(self, write: Write) -> Iterator[Violation]:
        subject = f"{write.namespace}/{write.name}"
        for check in WRITES.get(write.resource, ()):
            for words in check.run(self.world, write):
                yield Violation(
                    invariant=check.invariant,
                    subject=subject,
                    text=_said(check, words),
                    revision=write.revision,
                )

    def _keep(self, write: Write) -> None:
        """Decode a payload once."""
        kept = self.world.histories[write.namespace, write.name]
        if kept.spec.get("kind") == "Payload":
            payload = payload_of(kept.spec)
            kept.is_sound = payload is not None
            kept.value = None if payload is None else payload.value

    # --- instances ----------------------------------------------------------------------------

    def _instance(self, write: Write) -> Iterator[Violation]:
        account = self.world.accounts.get(write.uid)
        if write.after is None:
            if account is not None:
                account.gone = write
            return
        if account is None:
            account = opened(write)
            self.world.accounts[write.uid] = account
            self.world.named.setdefault((write.namespace, write.name), []).append(account)
            if account.status:
                yield from self._met(account, write)
            return
        note_spec(account, write.after)
        before, account.body = account.body, write.after
        if account.damage is not None and self._is_mended(account, write):
            account.damage = None
            account.excused.clear()
        if account.damage is not None and self.world.is_operator(write.actor):
            account.excused.add(write.actor)
        if account.damage is None and part(before, "status") is not account.status:
            yield from self._status(account, write, before)

    def _is_mended(self, account: Account, write: Write) -> bool:
        """Return whether the history is again what it was, or goes on from there.

        A commit that was on its way writes the whole history where it moves events to segments.
        """
        if part(write.after, "status", "history").get("version") != FORM:
            return False
        progress = progress_of(self.world, account, part(write.after))
        if isinstance(progress, Fault):
            return False
        return self.world.is_operator(write.actor) or not progress.new

    def _met(self, account: Account, write: Write) -> Iterator[Violation]:
        """Judge a history as it stands when it is first seen."""
        assert write.after is not None, "it stands"
        commit = Commit(self.world, account, write, {}, write.after, is_whole=False)
        yield from self._committed(commit)

    def _status(self, account: Account, write: Write, before: JsonObject) -> Iterator[Violation]:
        assert write.after is not None, "it has a status"
        commit = Commit(self.world, account, write, before, write.after)
        if commit.is_operators and write.subresource == "status":
            yield from self._committed(commit)
            account.is_edited = False
            return
        account.is_edited = True
        is_changed = part(before, "status").get("history") != commit.status.get("history")
        if is_changed and not self._is_mended(account, write):
            account.damage = f"{write.actor} changed its history"

    def _committed(self, commit: Commit) -> Iterator[Violation]:
        account = commit.account
        progress = progress_of(self.world, account, commit.after)
        if isinstance(progress, Fault):
            account.damage = progress.text
            yield _violation(commit, progress.invariant, f"progress: {progress.text}")
            return
        commit.new = [link.event for link in progress.new]
        commit.segments = progress.segments
        commit.waits = () if account.state is None else account.state.waits
        enter(account, progress)
        for event in commit.new:
            yield from self._event(commit, event)
        for check in COMMITS:
            if commit.is_whole or not check.needs_log:
                for words in check.run(commit):
                    yield _violation(commit, check.invariant, _said(check, words))
        self._entered(commit)

    def _event(self, commit: Commit, event: JsonObject) -> Iterator[Violation]:
        account, at = commit.account, commit.write.at
        for check in EVENTS[text(event.get("type"))]:
            if commit.is_whole or not check.needs_log:
                for words in check.run(commit, event):
                    yield _violation(commit, check.invariant, _said(check, words))
        take(account, event, commit.write, at if commit.is_whole else time_of(event.get("at")))
        if "commitId" in event and not commit.is_whole:
            account.commit_ids.add(text(event["commitId"]))
        references = referred(event)
        account.payloads.update(text(one.get("ref")) for one in references)
        values = self._values(account, references)
        kept = text(part(event, "request", "$payload").get("ref"))
        if kept in values:  # An attempt is judged by its whole request, wherever that is.
            account.attempts[number(event.get("id"))].request = part(values[kept])
        if account.state is not None:
            yield from self._folded(commit, event, values)

    def _folded(
        self, commit: Commit, event: JsonObject, values: Mapping[str, Json]
    ) -> Iterator[Violation]:
        """Fold the event; from one that cannot be on, nothing is compared with the fold."""
        account = commit.account
        assert account.state is not None, "there is a state to go on from"
        try:
            account.state = fold(account.state, decode(event, values))
        except (HistoryCorruptError, NewerHistoryError, AssertionError, KeyError) as error:
            account.state = None
            words = f"event {event.get('id')} cannot be folded: {error}"
            yield _violation(commit, "I-28", f"foldable: {words}")

    def _values(self, account: Account, references: list[JsonObject]) -> Mapping[str, Json]:
        """Return the payloads that an event refers to, by name."""
        values: dict[str, Json] = {}
        for reference in references:
            name = text(reference.get("ref"))
            kept = self.world.kept(account, name)
            if kept is not None and kept.is_sound:
                values[name] = kept.value
        return values

    def _entered(self, commit: Commit) -> None:
        account, write = commit.account, commit.write
        account.commit_ids.add(text(commit.status.get("commitId")))
        if commit.new:
            last_id = account.length
            account.commits.append(Committed(write, last_id - len(commit.new) + 1, last_id))
        if is_deleting(commit.before):
            account.after_deletion.add(write.actor)


def watch(writes: Iterable[Write], bounds: Bounds = EXACT) -> tuple[Watcher, Violations]:
    """Return the Watcher after these writes, and what they broke."""
    watcher = Watcher(bounds)
    return watcher, [found for write in writes for found in watcher.observe(write)]


def _violation(commit: Commit, invariant: str, words: str) -> Violation:
    return Violation(
        invariant=invariant,
        subject=commit.account.subject,
        text=words,
        revision=commit.write.revision,
    )


def _said(check: EventCheck | CommitCheck | WriteCheck, words: str) -> str:
    return f"{check.run.__name__}: {words}"


class _ByType(defaultdict[str, tuple[EventCheck, ...]]):
    """The checks of each type of events; those without types are for all."""

    def __missing__(self, kind: str) -> tuple[EventCheck, ...]:
        checks = (check for check in CHECKS if isinstance(check, EventCheck))
        self[kind] = tuple(check for check in checks if not check.types or kind in check.types)
        return self[kind]


EVENTS = _ByType()
COMMITS = tuple(check for check in CHECKS if isinstance(check, CommitCheck))
WRITES: dict[str, tuple[WriteCheck, ...]] = {
    resource: tuple(c for c in CHECKS if isinstance(c, WriteCheck) and resource in c.resources)
    for check in CHECKS
    if isinstance(check, WriteCheck)
    for resource in check.resources
}
