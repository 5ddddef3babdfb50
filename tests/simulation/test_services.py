"""Services: what they answer follows from the script, the key and the attempt, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace

import pytest
from tests.simulation.workloads.memory import NOT_FOUND, Arrival, Services
from tests.simulation.workloads.services import (
    MOST_FAULTY_ATTEMPTS,
    OPERATIONS,
    Cut,
    Reply,
    Request,
    Script,
    Silence,
    Temper,
    reply,
    token,
)

from perdure.engine.values import Json

MOODS = tuple(mood.name for mood in fields(Temper))


def script(**moods: float) -> Script:
    """Return a script with one service, `bank`, of this temper."""
    return Script(seed=7, tempers={"bank": Temper(**moods)})


def ask(key: str = "k1", attempt: int = 1, path: str = "/orders") -> Request:
    """Return a request of one activity."""
    return Request(service="bank", method="POST", path=path, key=key, attempt=attempt)


def arrival(
    target: str = "/jobs", *, at: float = 0.0, key: str = "k1", content: bytes | None = b"{}"
) -> Arrival:
    """Return a request as it comes in."""
    return Arrival(
        at=at,
        service="bank",
        method="POST",
        target=target,
        headers={
            "idempotency-key": key,
            "perdure-attempt": "1",
            "content-type": "application/json",
        },
        content=content,
    )


def body_of(answer: object) -> dict[str, Json]:
    """Return the JSON object of an answer."""
    assert isinstance(answer, Reply), answer
    body = json.loads(answer.body)
    assert isinstance(body, dict)
    return body


def test_a_calm_service_answers_soon_and_with_a_token() -> None:
    answer = reply(script(), ask())
    assert isinstance(answer, Reply)
    assert answer.code == 200
    assert answer.delay < 1
    assert body_of(answer)["token"] == token(script(), "k1", 1)


def test_an_idempotent_service_gives_a_repeat_the_same_token() -> None:
    assert len({token(script(), "k1", attempt) for attempt in range(1, 9)}) == 1
    varying = replace(script(), is_idempotent=False)
    assert len({token(varying, "k1", attempt) for attempt in range(1, 9)}) == 8


def test_an_answer_does_not_depend_on_what_was_asked_before() -> None:
    requests = [ask(f"k{number}", attempt) for number in range(30) for attempt in (1, 2, 3)]
    mixed = script(slow=0.2, flaky=0.2, cut=0.2, silent=0.1, large=0.1, odd=0.1)
    there = [reply(mixed, request) for request in requests]
    back = [reply(mixed, request) for request in reversed(requests)]
    assert there == back[::-1]


@pytest.mark.parametrize("mood", MOODS)
def test_every_mood_shows(mood: str) -> None:
    answers = [reply(script(**{mood: 1.0}), ask(f"k{number}")) for number in range(40)]
    calm = [reply(script(), ask(f"k{number}")) for number in range(40)]
    assert all(one != other for one, other in zip(answers, calm, strict=True))


@pytest.mark.parametrize("mood", ["slow", "late", "flaky", "cut", "silent"])
def test_whoever_goes_on_asking_is_answered(mood: str) -> None:
    for number in range(50):
        answer = reply(script(**{mood: 1.0}), ask(f"k{number}", MOST_FAULTY_ATTEMPTS + 1))
        assert isinstance(answer, Reply)
        assert (answer.code, answer.delay < 1) == (200, True)


def test_connections_break_with_and_without_an_effect() -> None:
    cuts = [reply(script(cut=1.0), ask(f"k{number}")) for number in range(60)]
    taken = Counter(cut.is_taken for cut in cuts if isinstance(cut, Cut))
    assert taken[True] > 10
    assert taken[False] > 10
    assert isinstance(reply(script(silent=1.0), ask()), Silence)


def test_an_unwilling_service_gives_several_codes_and_wishes() -> None:
    replies = [reply(script(flaky=1.0), ask(f"k{number}")) for number in range(200)]
    assert {r.code for r in replies if isinstance(r, Reply)} == {408, 429, 500, 502, 503, 504}
    wishes = {r.headers.get("retry-after") for r in replies if isinstance(r, Reply)}
    assert {None, "1", "3", "soon", "-1"} <= wishes


def test_large_answers_lie_at_the_bounds() -> None:
    replies = [reply(script(large=1.0), ask(f"k{number}")) for number in range(200)]
    sizes = {len(r.body) for r in replies if isinstance(r, Reply)}
    assert sizes == {8191, 8192, 8193, 16_383, 16_384, 16_385, 102_400}


def test_an_operation_is_started_once_per_key_and_over_in_the_end() -> None:
    services = Services(Script(seed=3))
    for number in range(40):
        key = f"k{number}"
        first = services.answer(arrival(key=key))
        assert isinstance(first, Reply)
        assert (first.code, body_of(first)["state"]) == (202, "running")
        assert services.answer(arrival(key=key, at=1.0)) == first
        place = first.headers["location"]
        states = [
            body_of(services.answer(arrival(place, at=2.0 + 5 * poll))).get("state")
            for poll in range(10)
        ]
        assert states[-1] in ("done", "failed")


def test_what_is_over_stays_over() -> None:
    services = Services(Script(seed=3))
    place = body_and_place(services)
    states = [
        body_of(services.answer(arrival(place, at=5.0 * poll))).get("state") for poll in range(20)
    ]
    seen = [state for state in states if state is not None]
    assert seen == sorted(seen, key="running".__ne__)


def body_and_place(services: Services) -> str:
    """Start an operation; return where it is polled."""
    answer = services.answer(arrival())
    assert isinstance(answer, Reply)
    return answer.headers["location"]


def test_a_poll_tells_whose_it_is_as_its_start_did() -> None:
    services = Services(Script(seed=3))
    start = services.answer(arrival(content=b'{"uid":"u1","path":"a.catch[0]"}'))
    assert isinstance(start, Reply)
    poll = replace(arrival(start.headers["location"], content=None), method="GET")
    assert poll.origin == ("u1", "a.catch[0]")
    assert poll.key == "k1"


def test_an_operation_that_nobody_started_is_not_found() -> None:
    assert Services(Script(seed=3)).answer(arrival(f"{OPERATIONS}k9")) == NOT_FOUND


@pytest.mark.parametrize(
    ("target", "content", "kind"),
    [
        ("/orders", b'{"uid":"u1","path":"a.b"}', "application/json"),
        ("/orders", b"uid=u1&path=a.b&n=3", "application/x-www-form-urlencoded"),
        ("/orders?uid=u1&path=a.b&tag=x", None, ""),
    ],
)
def test_a_request_tells_whose_it_is(target: str, content: bytes | None, kind: str) -> None:
    seen = Arrival(
        at=0.0,
        service="bank",
        method="POST",
        target=target,
        headers={"content-type": kind},
        content=content,
    )
    assert seen.origin == ("u1", "a.b")


def test_a_service_without_a_temper_is_calm() -> None:
    calm = Script(seed=7, tempers={"other": Temper(silent=1.0)})
    assert reply(calm, ask()) == reply(script(), ask())
