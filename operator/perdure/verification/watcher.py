"""The Watcher: takes accepted writes one after the other and says at once what is wrong.

It costs what is new: only new events are hashed, decoded and folded. Source: docs/proof.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account, Unshown, note_spec, opened
from perdure.verification.bodies import (
    generation_of,
    is_deleting,
    number,
    part,
    text,
)
from perdure.verification.checks import Commit, EntryCheck, Showing, WriteCheck
from perdure.verification.entries import LoggedTurn
from perdure.verification.evidence import Violation, Violations, Write
from perdure.verification.histories import payload_of
from perdure.verification.leases import LANED
from perdure.verification.ledger import entered, said, shown, violation
from perdure.verification.lifecycle import note_deletion
from perdure.verification.log import is_tampered, misfit
from perdure.verification.progress import FORM, Fault, joined, progress_of, show
from perdure.verification.registry import CHECKS
from perdure.verification.showings import advance, fits, shown_rev
from perdure.verification.world import HISTORIES, INSTANCES, LOGS, Bounds, World, note

EXACT = Bounds()


def phase_of(body: JsonObject | None) -> str:
    return text(part(body, "status").get("phase"))


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
        elif write.resource == LOGS:
            found += self._entry(write)
        else:
            note(self.world, write)
            if write.resource == HISTORIES and write.before is None:
                self._keep(write)
        return found

    def _checked(self, write: Write) -> Iterator[Violation]:
        for check in WRITES.get(write.resource, ()):
            for words in check.run(self.world, write):
                yield _of_write(check, write, words)

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
            account = self.world.accounts[write.uid] = opened(write)
            account.loss = self.world.lanes.damage_of(write.uid)
            self.world.named.setdefault((write.namespace, write.name), []).append(account)
            if account.status:
                yield from self._met(account, write)
            return
        note_spec(account, write)
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
        With the log it has to be the history up to the turn that the status names.
        """
        if part(write.after, "status", "history").get("version") != FORM:
            return False
        progress = progress_of(self.world, account, part(write.after))
        if isinstance(progress, Fault) or (self.world.lanes.is_used and not fits(account, write)):
            return False
        return self.world.is_operator(write.actor) or not progress.new

    def _met(self, account: Account, write: Write) -> Iterator[Violation]:
        """Judge a history as it stands when it is first seen."""
        yield from self._committed(account, write, {}, is_whole=False)

    def _status(self, account: Account, write: Write, before: JsonObject) -> Iterator[Violation]:
        if self.world.is_operator(write.actor) and write.subresource == "status":
            if self.world.lanes.is_used:
                yield from self._shown(account, write, before)
            else:
                yield from self._committed(account, write, before)
            # A write that was on its way may leave a phase alone that somebody has just edited.
            account.is_edited = account.edited_phase == phase_of(write.after)
            account.edited_phase = account.edited_phase if account.is_edited else None
            return
        account.is_edited = True
        if phase_of(before) != phase_of(write.after):
            account.edited_phase = phase_of(write.after)
        is_changed = part(before, "status").get("history") != account.status.get("history")
        is_moved = self.world.lanes.is_used and shown_rev(write.before) != shown_rev(write.after)
        if (is_changed or is_moved) and not self._is_mended(account, write):
            account.damage = f"{write.actor} changed its history"

    def _committed(
        self, account: Account, write: Write, before: JsonObject, *, is_whole: bool = True
    ) -> Iterator[Violation]:
        """Judge a status that commits a turn."""
        commit = _commit_of(self.world, account, write, before, is_whole=is_whole)
        progress = progress_of(self.world, account, commit.body)
        if isinstance(progress, Fault):
            yield self._damaged(commit, progress)
            return
        show(account, progress, write)
        committed = yield from entered(commit, progress.new)
        committed.shown = write
        account.shown.rev, account.shown.state = account.rev, account.state
        yield from shown(
            Showing(
                world=self.world,
                account=account,
                write=write,
                before=before,
                after=commit.body,
                new=commit.new,
                state=account.state,
                segments=progress.segments,
                commit=commit,
            ),
            is_whole=is_whole,
        )
        if is_deleting(before):
            note_deletion(account, write, is_commit=True, is_showing=True)

    def _shown(self, account: Account, write: Write, before: JsonObject) -> Iterator[Violation]:
        """Judge a status that shows turns of the log, which stand there since before."""
        assert write.after is not None, "it has a status"
        showing = Showing(self.world, account, write, before, write.after)
        progress = progress_of(self.world, account, write.after)
        if isinstance(progress, Fault):
            yield self._damaged(showing, progress)
            return
        if not fits(account, write):
            account.damage = "its status shows what is not committed"
            return
        show(account, progress, write)
        advance(account, shown_rev(write.after), write)
        showing.new = [link.event for link in progress.new]
        showing.segments, showing.state = progress.segments, account.shown.state
        yield from shown(showing)
        if is_deleting(before):
            note_deletion(account, write, is_commit=False, is_showing=True)

    def _damaged(self, found: Commit | Showing, fault: Fault) -> Violation:
        found.account.damage = fault.text
        return violation(found, fault.invariant, f"progress: {fault.text}")

    # --- the log --------------------------------------------------------------------------------

    def _entry(self, write: Write) -> Iterator[Violation]:
        """Judge an entry of the log, and commit its turns; labels are nothing to it."""
        is_kept = write.before is not None and write.after is not None
        if is_kept and part(write.before, "spec") == part(write.after, "spec"):
            return
        replacement = self.world.lanes.replacement(write)
        if replacement is None:
            self.world.lanes.remove(write)
            self._lose()
            return
        lane = replacement.lane
        if is_tampered(self.world, replacement):
            lane.damage = f"{write.actor} wrote {write.name}"
            self.world.lanes.note(replacement)
            self._lose()
            return
        for check in ENTRIES if lane.damage is None else LASTING:
            for words in check.run(self.world, replacement):
                yield _of_write(check, write, words)
        self.world.lanes.note(replacement)
        if self.world.lanes.is_used:
            self.world.leases.times = LANED
        for turn in replacement.new.turns:
            yield from self._turn(turn, write)

    def _lose(self) -> None:
        """Take it that turns of the instances of a damaged lane may be lost."""
        for account in self.world.accounts.values():
            account.loss = account.loss or self.world.lanes.damage_of(account.uid)

    def _turn(self, turn: LoggedTurn, write: Write) -> Iterator[Violation]:
        """Commit a turn, unless it does not follow the one before: then its check has spoken."""
        account = self.world.accounts.get(turn.uid)
        if account is None or misfit(account, turn) is not None:
            if account is not None:
                account.is_split = True
            return
        commit = Commit(
            world=self.world,
            account=account,
            write=write,
            body=account.body,
            old_rev=account.rev,
            rev=turn.rev,
            commit_id=turn.commit_id,
            generation=turn.generation,
            base=turn.generation,
        )
        links = joined(account, turn)
        if isinstance(links, Fault):
            account.is_split = True
            yield violation(commit, links.invariant, f"progress: {links.text}")
            return
        committed = yield from entered(commit, links)
        account.unshown.append(Unshown(committed, turn.commit_id, account.digest, account.state))
        if is_deleting(account.body):
            note_deletion(account, write, is_commit=True, is_showing=False)


def watch(writes: Iterable[Write], bounds: Bounds = EXACT) -> tuple[Watcher, Violations]:
    """Return the Watcher after these writes, and what they broke."""
    watcher = Watcher(bounds)
    return watcher, [found for write in writes for found in watcher.observe(write)]


def _commit_of(
    world: World, account: Account, write: Write, before: JsonObject, *, is_whole: bool
) -> Commit:
    """Return the turn that a status commits."""
    assert write.after is not None, "it has a status"
    status = part(write.after, "status")
    return Commit(
        world=world,
        account=account,
        write=write,
        body=write.after,
        old_rev=part(before, "status").get("rev"),
        rev=status.get("rev"),
        commit_id=text(status.get("commitId")),
        generation=number(status.get("observedGeneration")),
        base=generation_of(write.after),
        is_whole=is_whole,
    )


def _of_write(check: EntryCheck | WriteCheck, write: Write, words: str) -> Violation:
    return Violation(
        invariant=check.invariant,
        subject=f"{write.namespace}/{write.name}",
        text=said(check, words),
        revision=write.revision,
    )


ENTRIES = tuple(check for check in CHECKS if isinstance(check, EntryCheck))
LASTING = tuple(check for check in ENTRIES if check.is_lasting)
WRITES: dict[str, tuple[WriteCheck, ...]] = {
    resource: tuple(c for c in CHECKS if isinstance(c, WriteCheck) and resource in c.resources)
    for check in CHECKS
    if isinstance(check, WriteCheck)
    for resource in check.resources
}
