"""What clients were told against what came of it: I-16, I-17, I-20 and the fate of terminate.

Source: docs/architecture.md#what-is-promised-after-a-crash.
"""

from __future__ import annotations

from collections.abc import Iterator

from perdure.engine.summary import phase_of
from perdure.verification.accounts import Account
from perdure.verification.bodies import generation_of, is_deleting, items, part, text, time_of
from perdure.verification.checks import EndCheck, Finding, Trial
from perdure.verification.effects import HEARD, UNHEARD, is_disturbed
from perdure.verification.evidence import ClientCall, Deed, Outcome
from perdure.verification.external import was_taken
from perdure.verification.liveness import SETTLED, is_quiet
from perdure.verification.world import Sent

Findings = Iterator[Finding]


def starts_kept(trial: Trial) -> Findings:
    """An instance whose start was acknowledged was created; it goes only by a deletion."""
    for call in _acknowledged(trial, Deed.START):
        account = trial.world.accounts.get(call.uid)
        if account is None:
            named = trial.world.named.get((call.namespace, call.name), [])
            if call.uid or not named:
                yield _finding(call, "was started with acknowledgement and never existed")


def starts_refused(trial: Trial) -> Findings:
    """A start that was refused created nothing."""
    wanted = {(c.namespace, c.name) for c in trial.evidence.calls if _may_have(c, Deed.START)}
    for call in _ended(trial, Deed.START, Outcome.REFUSED):
        place = (call.namespace, call.name)
        if place not in wanted and place in trial.world.named:
            yield _finding(call, "was refused and exists")


def sends_kept(trial: Trial) -> Findings:
    """An event whose sending was acknowledged is in a history, still waits, or is refused."""
    for call in _acknowledged(trial, Deed.RAISE):
        fault = _lost(trial, call)
        if fault is not None:
            yield _finding(call, f'event "{call.details.get("id")}" {fault}')


def _lost(trial: Trial, call: ClientCall) -> str | None:
    """Return how the event was lost, None where it is accounted for."""
    if call.details.get("door") == "object":
        return _lost_object(trial, call)
    event_id = text(call.details.get("id"))
    named = trial.world.named.get((call.namespace, call.name), [])
    told = [one for one in named if call.uid in ("", one.uid)]
    if not any(event_id in one.spec_events for one in told):
        return "was acknowledged and is in no spec"
    return None


def _lost_object(trial: Trial, call: ClientCall) -> str | None:
    sent = _sent_by(trial, call)
    if not sent:
        return "was acknowledged and no WorkflowEvent exists"
    for one in sent:
        is_taken = was_taken(trial.world, one)
        is_users = one.gone is not None and not trial.world.is_operator(one.gone.actor)
        if is_taken or one.gone is None or one.answers or is_users:
            return None
    return "was acknowledged, is in no history and was not refused"


def _sent_by(trial: Trial, call: ClientCall) -> list[Sent]:
    event_id, name = text(call.details.get("id")), text(call.details.get("object"))
    sent = trial.world.sent.get((call.namespace, call.name), [])
    return [s for s in sent if s.write.name == name or (event_id and s.event_id == event_id)]


def sends_refused(trial: Trial) -> Findings:
    """An event whose sending was refused is in no history."""
    tried = {_event_of(c) for c in trial.evidence.calls if _may_have(c, Deed.RAISE)}
    for call in _ended(trial, Deed.RAISE, Outcome.REFUSED):
        if _event_of(call) in tried:
            continue
        for account in trial.world.named.get((call.namespace, call.name), []):
            if text(call.details.get("id")) in account.taken and call.uid in ("", account.uid):
                yield _finding(call, f'event "{call.details.get("id")}" was refused and counts')


def _event_of(call: ClientCall) -> tuple[str, str, str]:
    return call.namespace, call.name, text(call.details.get("id"))


def sends_taken(trial: Trial) -> Findings:
    """In the end nothing waits to be taken by an instance that runs, or that has ended."""
    if not is_quiet(trial):
        return
    for account in trial.world.accounts.values():
        if account.gone is not None or not account.is_sound or is_deleting(account.body):
            continue
        yield from _untaken_objects(trial, account)
        if account.is_running and account.status.get("phase") != "Stalled":
            for entry in items(part(account.body, "spec").get("events")):
                if text(entry.get("id")) not in account.taken:
                    yield Finding(account.subject, f'event "{entry.get("id")}" is not taken')


def _untaken_objects(trial: Trial, account: Account) -> Findings:
    if not _has_turns(account):
        return
    for sent in trial.world.events.values():
        is_ours = text(sent.spec.get("instance")) == account.name and sent.is_for(account)
        is_open = not sent.answers and sent.event_id not in account.taken
        if is_ours and is_open and not is_deleting(sent.body):
            yield Finding(
                account.subject, f"WorkflowEvent {sent.write.name} waits, neither taken nor refused"
            )


def gone_are_answered(trial: Trial) -> Findings:
    """In the end no WorkflowEvent waits for an instance that is gone: it is refused."""
    ended = trial.evidence.ended_at
    if not is_quiet(trial) or ended is None:
        return
    for sent in trial.world.events.values():
        account = trial.world.accounts.get(text(sent.spec.get("instanceUid")))
        if account is None or account.gone is None or sent.answers or is_deleting(sent.body):
            continue
        if ended - max(sent.write.at, account.gone.at) > SETTLED:
            yield Finding(
                f"{sent.write.namespace}/{sent.write.name}",
                f"waits for {account.subject}, which was deleted at {account.gone.at}",
            )


def taken_are_tidied(trial: Trial) -> Findings:
    """In the end no WorkflowEvent stands that its instance has taken, unless it says so."""
    ended = trial.evidence.ended_at
    if not is_quiet(trial) or ended is None:
        return
    for sent in trial.world.events.values():
        account = trial.world.living(sent.write.namespace, text(sent.spec.get("instance")))
        if account is None or not account.is_sound or not sent.is_for(account):
            continue
        if is_deleting(sent.body) or sent.answers or is_deleting(account.body):
            continue
        taken = account.taken.get(sent.event_id)
        since = max(sent.write.at, time_of(part(taken).get("at")))
        if taken is not None and ended - since > SETTLED and _has_turns(account):
            yield Finding(
                f"{sent.write.namespace}/{sent.write.name}",
                f"{account.subject} has taken it, and it is neither deleted nor marked",
            )


def _has_turns(account: Account) -> bool:
    """Return whether an operator looks at what is sent to the instance."""
    is_open = account.is_running or account.ended is not None
    return is_open and account.status.get("phase") != "Stalled"


def terminates_kept(trial: Trial) -> Findings:
    """An instance whose termination was acknowledged is Terminated, or its end came before."""
    for call in _acknowledged(trial, Deed.TERMINATE):
        account = trial.world.accounts.get(call.uid)
        if account is None or account.gone is not None or is_deleting(account.body):
            continue
        if not account.is_sound:
            continue  # It is parked until an administrator has mended its history.
        if account.ended is None and not is_quiet(trial):
            continue  # It may come yet.
        phase = _phase(account)
        if phase == "Terminated" or _decided_before(trial, account, call):
            continue
        yield _finding(call, f"was terminated with acknowledgement and is {phase}")


def _phase(account: Account) -> str:
    """Return the phase after the newest commit, whatever its status shows yet."""
    if account.ended is None or account.state is None:
        return text(account.status.get("phase"))
    return phase_of(account.state).value


def _decided_before(trial: Trial, account: Account, call: ClientCall) -> bool:
    """Return whether the end was decided before the call was carried out.

    A commit by a status has seen all of the spec. An entry of the log does not test it: one that
    was on its way may be accepted after the call, but not long after it.
    """
    end, terminated = account.end_requested or account.end, account.terminated
    if end is None:
        return False
    if end.at <= (call.returned or call.invoked) or terminated is None:
        return True
    if account.end_base >= generation_of(terminated.after):
        return False
    is_prompt = end.at <= terminated.at + HEARD + trial.world.bounds.stamps
    return is_prompt or is_disturbed(trial, end.actor, terminated.at - UNHEARD, end.at)


def _may_have(call: ClientCall, deed: Deed) -> bool:
    return call.deed is deed and call.outcome is not Outcome.REFUSED


def _acknowledged(trial: Trial, deed: Deed) -> Iterator[ClientCall]:
    return _ended(trial, deed, Outcome.ACKNOWLEDGED)


def _ended(trial: Trial, deed: Deed, outcome: Outcome) -> Iterator[ClientCall]:
    return (c for c in trial.evidence.calls if c.deed is deed and c.outcome is outcome)


def _finding(call: ClientCall, words: str) -> Finding:
    return Finding(f"{call.namespace}/{call.name}", words)


CHECKS = (
    EndCheck("I-20", starts_kept),
    EndCheck("I-20", starts_refused),
    EndCheck("I-16", sends_kept),
    EndCheck("I-17", sends_refused),
    EndCheck("I-16", sends_taken),
    EndCheck("I-16", gone_are_answered),
    EndCheck("I-16", taken_are_tidied),
    EndCheck("I-26", terminates_kept),
)
