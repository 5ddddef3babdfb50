"""What called services do: a pure function of the script and the call, never of the order of calls.

Every choice follows from a hash of the script's seed, the idempotency key and the attempt. So a
workflow whose course does not depend on timing comes to the same end in a quiet run and in one
full of faults. Whatever a service does wrong, it does only for the first attempts of a key
(MOST_FAULTY_ATTEMPTS): who goes on asking gets an answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from perdure.engine.values import Json, JsonObject, canonical

MOST_FAULTY_ATTEMPTS = 4
JOBS = "/jobs"
"""Below this path a service starts operations that are polled."""
OPERATIONS = "/operations/"
BOUNDS = (8 * 1024, 16 * 1024)
"""Bytes at which a value moves out of an event, and out of a status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How a service behaves: the share of keys, from 0 to 1, that meet each mood.

    What is left over is answered well and soon.
    """

    slow: float = 0.0
    """Answers after 1 to 8 s."""
    late: float = 0.0
    """Answers after more than the usual 30 s, for some attempts."""
    flaky: float = 0.0
    """408, 429 or 5xx for some attempts, now and then with Retry-After."""
    refusing: float = 0.0
    """400, 404, 409 or 422, always."""
    cut: float = 0.0
    """The connection breaks, for some attempts, before or after the request was taken in."""
    silent: float = 0.0
    """No answer ever comes, for some attempts."""
    odd: float = 0.0
    """Text, an empty body, a list, or what says that it is JSON and is none."""
    large: float = 0.0
    """A body at a bound of 8 or 16 KiB, a byte below or above it, or of 100 KiB."""


CALM = Temper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the services of a workload behave. A service without a temper is calm.

    An idempotent service answers a repeat under the same key with the same token; another one
    draws a token for each attempt.
    """

    seed: int
    is_idempotent: bool = True
    tempers: Mapping[str, Temper] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as a service sees it.

    `service` is a Service's name, or the host of a URL; `path` without query. `key` is the header
    Idempotency-Key, or that in the path of a poll. `attempt` is the header Perdure-Attempt.
    `waited` are the seconds since the operation of this key was first started, `polls` how often it
    was asked for before: see `memory.Services`.
    """

    service: str
    method: str
    path: str
    key: str
    attempt: int
    waited: float = 0.0
    polls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer, given after `delay` seconds."""

    delay: float
    code: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The connection breaks after `delay` seconds; `is_taken` says whether there is an effect."""

    delay: float
    is_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The request was taken in and no answer comes."""


Answer: TypeAlias = Reply | Cut | Silence


def reply(script: Script, request: Request) -> Answer:
    """Return what the service does with the request."""
    lot = Lot(script, request)
    if request.path.startswith(OPERATIONS):
        return _polled(lot)
    match lot.mood():
        case "slow" if lot.is_faulty():
            return _good(lot, delay=1 + 7 * lot.share("slow"))
        case "late" if lot.is_faulty():
            return _good(lot, delay=31 + 60 * lot.share("late"))
        case "flaky" if lot.is_faulty():
            return _unwilling(lot)
        case "cut" if lot.is_faulty():
            return Cut(delay=lot.quick(), is_taken=lot.share("taken") < 0.5)
        case "silent" if lot.is_faulty():
            return Silence()
        case "refusing":
            code = lot.pick("refusal", (400, 404, 409, 422))
            return _json(lot.quick(), code, {"error": "refused", "code": code})
        case "odd":
            return _odd(lot)
        case "large":
            return _large(lot)
        case _:
            return _good(lot, delay=lot.quick())


def token(script: Script, key: str, attempt: int) -> str:
    """Return what an answer is known by, 16 hex digits."""
    which = 0 if script.is_idempotent else attempt
    return hashlib.sha256(f"token/{script.seed}/{key}/{which}".encode()).hexdigest()[:16]


class Lot:
    """The draws of one request: pure functions of the script, the key and the attempt."""

    def __init__(self, script: Script, request: Request) -> None:
        self.script = script
        self.request = request

    def share(self, what: str, *, of_key: bool = False) -> float:
        """Return a number from 0 to below 1; with `of_key` the same for all attempts."""
        attempt = 0 if of_key else self.request.attempt
        text = f"{self.script.seed}/{self.request.service}/{self.request.key}/{attempt}/{what}"
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:6]) / float(1 << 48)

    def pick(self, what: str, items: tuple[int, ...], *, of_key: bool = True) -> int:
        """Return one of the items."""
        return items[int(self.share(what, of_key=of_key) * len(items))]

    def mood(self) -> str:
        """Return the name of the field of Temper that this key meets, "" for none."""
        temper = self.script.tempers.get(self.request.service, CALM)
        rest = self.share("mood", of_key=True)
        for each in fields(temper):
            rest -= getattr(temper, each.name)
            if rest < 0:
                return each.name
        return ""

    def is_faulty(self) -> bool:
        """Return whether this attempt is still among those that go wrong."""
        faulty = 1 + int(self.share("faulty", of_key=True) * MOST_FAULTY_ATTEMPTS)
        return self.request.attempt <= faulty

    def quick(self) -> float:
        """Return a short delay in seconds."""
        return round(0.002 + 0.3 * self.share("quick") ** 3, 3)

    def token(self) -> str:
        """Return the token of this attempt."""
        return token(self.script, self.request.key, self.request.attempt)


def content(lot: Lot) -> JsonObject:
    """Return what a good answer says: a token, and small data that follow from the key."""
    number = lot.pick("n", tuple(range(20)))
    return {
        "token": lot.token(),
        "n": number,
        "ok": number % 2 == 0,
        "items": list(range(number % 4)),
        "label": ("plain", "with blank", "sl/ash", "ünïcode")[number % 4],
    }


def _good(lot: Lot, *, delay: float) -> Reply:
    if lot.request.path.startswith(JOBS):
        place = f"{OPERATIONS}{lot.request.key}"
        return _json(delay, 202, {**content(lot), "state": "running"}, location=place)
    return _json(delay, 200, content(lot))


def _unwilling(lot: Lot) -> Reply:
    code = lot.pick("code", (408, 429, 500, 502, 503, 504), of_key=False)
    wishes = ("", "", "1", "3", "0", "soon", "-1", "7.5")
    wish = wishes[int(lot.share("wish") * len(wishes))]
    headers = {"retry-after": wish} if wish else {}
    return _json(lot.quick(), code, {"error": "not now"}, **headers)


_ODD: tuple[tuple[str, bytes], ...] = (
    ("text/plain", "all is well, ünïcode too".encode()),
    ("application/json", b""),
    ("application/json", b'{"token": '),
    ("application/json", b"[1, 2, 3]"),
    ("application/json", b"null"),
    ("application/json", b'{"n": 92233720368547758070}'),
    ("application/json", b'{"n": 1.0, "n": 2, "deep": [[[[[[]]]]]]}'),
    ("text/plain", b"\xff\xfe\x00"),
    ("application/problem+json", b'{"token": "", "n": -0.0}'),
)


def _odd(lot: Lot) -> Reply:
    kind, body = _ODD[int(lot.share("odd", of_key=True) * len(_ODD))]
    return Reply(delay=lot.quick(), code=200, headers={"content-type": kind}, body=body)


def _large(lot: Lot) -> Reply:
    size = lot.pick("size", (*(b + d for b in BOUNDS for d in (-1, 0, 1)), 100 * 1024))
    return _json(lot.quick(), 200, padded(content(lot), size))


def padded(value: JsonObject, size: int) -> JsonObject:
    """Return the object with a text `pad` that brings it to `size` bytes, as bounds count them."""
    bare = len(canonical({**value, "pad": ""}))
    return {**value, "pad": "x" * max(0, size - bare)}


def _polled(lot: Lot) -> Answer:
    """Answer a poll: the operation is over after so many seconds, or so many polls."""
    request = lot.request
    if request.polls < 2 and lot.share(f"poll {request.polls}") < 0.08:
        return _json(lot.quick(), 503, {"error": "not now"})
    is_counted = lot.share("counted", of_key=True) < 0.5
    polls, seconds = lot.pick("polls", (0, 1, 2, 4)), 20 * lot.share("seconds", of_key=True)
    is_over = request.polls >= polls if is_counted else request.waited >= seconds
    state = "running"
    if is_over:
        state = "failed" if lot.share("fails", of_key=True) < 0.1 else "done"
    return _json(lot.quick(), 200, {**content(lot), "state": state})


def _json(delay: float, code: int, body: Json, **headers: str) -> Reply:
    return Reply(
        delay=delay,
        code=code,
        headers={"content-type": "application/json", **headers},
        body=canonical(body),
    )
