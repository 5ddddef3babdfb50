"""How statuses follow the log: what they show stands there, and in the end all of it is shown.

Source: docs/log.md#reflecting.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from perdure.engine.values import JsonObject
from perdure.verification.accounts import Account, Committed
from perdure.verification.bodies import is_deleting, number, part, text
from perdure.verification.chain import start_of
from perdure.verification.checks import EndCheck, Finding, Texts, Trial, WriteCheck
from perdure.verification.evidence import Write
from perdure.verification.liveness import PROMPT, SETTLED, is_quiet
from perdure.verification.world import INSTANCES, World

PROGRESS = timedelta(seconds=5)
"""How long a status may wait for what nobody acts upon."""
BUSY = 250
"""So many statuses in that time are all that one process writes of progress."""
Position = tuple[int, str]
"""Where a history stands: its length and digest."""


def shown_rev(body: JsonObject | None) -> int:
    """Return the newest turn that a status says it shows, 0 for none."""
    return number(part(body, "status").get("rev"))


def position_in(uid: str, body: JsonObject | None) -> Position:
    """Return where the history in a status stands."""
    status = part(body, "status")
    if "history" not in status:
        return 0, start_of(uid)
    head = part(status, "history")
    return number(head.get("length")), text(head.get("digest"))


def position_at(account: Account, rev: int) -> Position | None:
    """Return where the history stands after a turn; None if it is not committed, or long past."""
    if rev == account.shown.rev:
        return account.shown.length, account.shown.digest
    for one in account.unshown:
        if one.committed.rev == rev:
            return one.committed.last_id, one.digest
    return None


def fits(account: Account, write: Write) -> bool:
    """Return whether the history in a status is the one up to the turn that it names."""
    position = position_in(account.uid, write.after)
    return position == position_at(account, shown_rev(write.after))


def advance(account: Account, rev: int, write: Write) -> None:
    """Note that a status shows all turns up to this one."""
    while account.unshown and account.unshown[0].committed.rev <= rev:
        one = account.unshown.popleft()
        one.committed.shown = write
        account.shown.rev, account.shown.state = one.committed.rev, one.state


def shows_committed(world: World, write: Write) -> Texts:
    """A status shows turns that stand in the log, just these, and never goes back."""
    account = world.accounts.get(write.uid)
    if account is None or not _is_showing(world, write) or account.is_split or account.loss:
        return
    rev, shown = shown_rev(write.after), account.shown.rev
    if rev < shown:
        yield f"it goes back from turn {shown} to turn {rev}"
        return
    position = position_at(account, rev)
    if position is None:
        yield f"it shows turn {rev}, the newest that is committed is {account.rev}"
    elif position != position_in(account.uid, write.after):
        yield f"its history is not the one up to turn {rev}"
    commit_id = text(part(write.after, "status").get("commitId"))
    for one in account.unshown:
        if one.committed.rev == rev and one.commit_id != commit_id:
            yield f"it shows turn {rev} of commit {one.commit_id} as {commit_id!r}"


def _is_showing(world: World, write: Write) -> bool:
    """Return whether an operator wrote another rev or history into a status, under the log."""
    is_ours = world.lanes.is_used and world.is_operator(write.actor)
    if not is_ours or write.subresource != "status" or write.after is None:
        return False
    before, after = (
        (shown_rev(body), position_in(write.uid, body)) for body in (write.before, write.after)
    )
    return before != after


def all_is_shown(trial: Trial) -> Iterator[Finding]:
    """In the end every turn in the log is shown by a status."""
    ended = trial.evidence.ended_at
    if not is_quiet(trial) or ended is None:
        return
    for account in trial.standing():
        if not account.is_sound or is_deleting(account.body):
            continue
        late = [one for one in account.unshown if ended - one.committed.write.at > SETTLED]
        if late:
            at = late[0].committed.write.at
            yield Finding(account.subject, f"turn {late[0].committed.rev} of {at} is not shown")


def shown_in_time(trial: Trial) -> Iterator[Finding]:
    """Ends, suspensions and waits are shown within 5 s where nothing disturbs, all else in 10 s."""
    times = [write.at for write in trial.evidence.writes if write.resource == INSTANCES]
    for account in trial.world.accounts.values():
        if not account.is_sound or account.is_edited:
            continue
        for one in account.commits:
            since, until = one.write.at, _shown_by(trial, account, one)
            due = since + PROMPT + (timedelta() if one.is_urgent else PROGRESS)
            if until is None or until <= due + trial.world.bounds.stamps:
                continue
            is_busy = bisect_right(times, due) - bisect_right(times, since) >= BUSY
            if not (is_busy and not one.is_urgent) and not _is_disturbed(trial, since, due):
                yield Finding(
                    account.subject, f"turn {one.rev} of {one.write.at} is shown at {until}"
                )


def _shown_by(trial: Trial, account: Account, one: Committed) -> datetime | None:
    """Return until when a turn was not shown, though its instance was there."""
    if one.shown is not None:
        return one.shown.at
    return trial.evidence.ended_at if account.gone is None else account.gone.at


def _is_disturbed(trial: Trial, since: datetime, until: datetime) -> bool:
    return any(
        one.began <= until and (one.ended is None or one.ended + SETTLED >= since)
        for one in trial.evidence.disturbances
    )


CHECKS = (
    WriteCheck("I-48", frozenset({INSTANCES}), shows_committed),
    EndCheck("I-48", all_is_shown),
    EndCheck("I-48", shown_in_time),
)
