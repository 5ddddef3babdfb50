"""`http`: resolve the request, schedule the activity, judge its answer."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from perdure.engine.events import (
    ActivityAccepted,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    Failure,
)
from perdure.engine.orchestrator import Answer
from perdure.engine.state import OpenActivity
from perdure.engine.values import Json, JsonObject
from perdure.engine.work import idempotency_key
from perdure.language.places import Place, locate
from perdure.language.program import HttpVerb, Poll
from perdure.language.run import Run, StepFault
from perdure.language.templates import Template, text_of

KIND = "http"
DEFAULT_ATTEMPT_SECONDS = 30.0
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def begin(run: Run, place: Place, verb: HttpVerb) -> None:
    """Schedule an attempt; every attempt after the first sends the first one's request."""
    attempt = run.attempt_of(place)
    unit = run.unit(place)
    if unit is not None and unit.request_id is not None:
        request, request_of = None, unit.request_id
    else:
        request, request_of = resolve(run, place, verb), None
    run.add(
        ActivityScheduled(
            path=place.path,
            kind=KIND,
            attempt=attempt,
            claim=run.claim(),
            request=request,
            request_of=request_of,
        )
    )


def resolve(run: Run, place: Place, verb: HttpVerb) -> JsonObject:
    """Return the request as the executor reads it: absent fields are not used."""
    limit = place.step.retry.attempt_timeout
    request: JsonObject = {
        "method": verb.method,
        "timeoutSeconds": DEFAULT_ATTEMPT_SECONDS if limit is None else limit.total_seconds(),
        "traceparent": traceparent(run.state.uid, place.path),
        **_target(run, place, verb),
    }
    for name, template in (("query", verb.query), ("headers", verb.headers), ("form", verb.form)):
        if template is not None:
            request[name] = _texts(run, place, template, name)
    if verb.body is not None:
        request["body"] = run.render(place, verb.body, "http.body")
    if verb.poll is not None:
        request["poll"] = _poll(run, place, verb.poll)
    run.bounded(place, request, "http")
    return request


def _target(run: Run, place: Place, verb: HttpVerb) -> JsonObject:
    if verb.url is not None:
        return {"url": _text_of(run, place, verb.url, "http.url", is_url=True)}
    assert verb.service is not None, "the checker asks for service or url"
    service = _text_of(run, place, verb.service, "http.service")
    if not _SERVICE.fullmatch(service):
        raise StepFault(
            run.broken(place, "http.service", f'"{service[:80]}" is not the name of a Service')
        )
    target: JsonObject = {"service": service}
    if verb.port is not None:
        target["port"] = verb.port
    if verb.scheme is not None:
        target["scheme"] = verb.scheme
    if verb.path is not None:
        target["path"] = _text_of(run, place, verb.path, "http.path", is_path=True)
    return target


def _text_of(
    run: Run,
    place: Place,
    template: Template,
    what: str,
    *,
    is_path: bool = False,
    is_url: bool = False,
) -> str:
    if is_path or is_url:
        template = template.for_path() if is_path else template.for_url()
    return _as_text(run.render(place, template, what))


def _as_text(value: Json) -> str:
    return "" if value is None else text_of(value)


def _texts(run: Run, place: Place, template: Template, what: str) -> JsonObject:
    """Return a map of texts; a list stays a list of texts (query), null entries are left out."""
    value = run.render(place, template, f"http.{what}")
    if not isinstance(value, dict):
        raise StepFault(run.broken(place, f"http.{what}", "expected an object"))
    return {
        name: [_as_text(x) for x in item] if isinstance(item, list) else _as_text(item)
        for name, item in value.items()
        if item is not None
    }


def _poll(run: Run, place: Place, poll: Poll) -> JsonObject:
    attempts = place.step.retry.attempts
    described: JsonObject = {"everySeconds": poll.every.total_seconds(), "attempts": attempts}
    if poll.value is not None:
        is_path = poll.target == "path"
        described[poll.target] = _text_of(
            run,
            place,
            poll.value,
            f"http.poll.{poll.target}",
            is_path=is_path,
            is_url=not is_path,
        )
    return described


def traceparent(uid: str, path: str) -> str:
    """Return the W3C trace context: the trace is the instance, the span its step.

    Both ids derive from the instance, so a restarted operator continues the same trace.
    """
    trace = uid.replace("-", "").ljust(32, "0")[:32]
    span = hashlib.sha256(idempotency_key(uid, path).encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-01"


def conclude(run: Run, place: Place, activity: OpenActivity, answer: Answer) -> None:
    """Record what an answer means: accepted, completed or failed."""
    scheduled = activity.scheduled_id
    try:
        if answer.accepted:
            _accept(run, place, activity, answer)
            return
        failure = judge(run, place, activity, answer)
        if failure is None:
            body = answer.result.get("body") if isinstance(answer.result, dict) else None
            output = run.shaped(place, answer.result, body)
            run.add(ActivityCompleted(scheduled_id=scheduled, output=output))
            return
    except StepFault as fault:
        failure = fault.failure
    failure = replace(failure, step=place.path, attempt=activity.attempt)
    run.add(ActivityFailed(scheduled_id=scheduled, failure=failure))


def _accept(run: Run, place: Place, activity: OpenActivity, answer: Answer) -> None:
    """Record what the start of a polled call answered; body and headers are kept as one value."""
    if not activity.is_accepted:
        run.bounded(place, answer.result, "the answer")
        run.add(ActivityAccepted(scheduled_id=activity.scheduled_id, answer=answer.result))


def judge(run: Run, place: Place, activity: OpenActivity, answer: Answer) -> Failure | None:
    """Return why the answer is no success, None when it is one."""
    verb = place.step.verb
    assert isinstance(verb, HttpVerb), f"{place.path}: an answer for a step that makes no call"
    failure = answer.failure
    if answer.result is not None and verb.expect is not None:
        if run.holds(place, verb.expect, "http.expect", {"result": answer.result}):
            return None
        if failure is None:
            failure = _unexpected(run, place, activity, answer.result)
    if failure is not None and failure.unknown and place.step.fails_on_unknown:
        return unknown_outcome(activity, failure)
    return failure


def _unexpected(run: Run, place: Place, activity: OpenActivity, result: Json) -> Failure:
    """Return the failure of a complete answer that `expect` does not take; names the call."""
    code = result.get("code") if isinstance(result, dict) else None
    request = activity.request if isinstance(activity.request, dict) else {}
    target = request.get("url") or f"service/{request.get('service')}{request.get('path', '')}"
    message = f"{request.get('method')} {target} answered {code}, which is not what expect asks for"
    failure = run.failure(place, "ExpectFailed", message)
    return replace(failure, code=code if isinstance(code, int) else None)


def is_over(run: Run, path: str, result: Json) -> bool | Failure:
    """Return what `poll.until` says of a poll's result, or why it cannot be said."""
    place = locate(run.program, run.state, path)
    verb = place.step.verb
    assert isinstance(verb, HttpVerb), f"{path}: polls nothing"
    assert verb.poll is not None, f"{path}: polls nothing"
    try:
        return run.holds(place, verb.poll.until, "http.poll.until", {"result": result})
    except StepFault as fault:
        return fault.failure


def unknown_outcome(activity: OpenActivity, cause: Failure | None) -> Failure:
    """Return the failure of a step with `onUnknown: Fail` whose answer was lost."""
    return Failure(
        type="OutcomeUnknown",
        message="whether the call took effect is not known, and onUnknown: Fail forbids a repeat",
        step=activity.path,
        attempt=activity.attempt,
        cause=cause,
        final=True,
    )
