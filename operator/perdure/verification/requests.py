"""Which attempt a request belongs to that a service saw.

A request says uid and path of its step as its definition knows them, so that the second run of a
block (`pay~2.charge`) says `pay.charge` like the first; what tells them apart is the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from perdure.verification.accounts import Account, Attempt
from perdure.verification.chain import sha256
from perdure.verification.evidence import Effect
from perdure.verification.world import World

_MARK = re.compile(r"~\d+")

Effects = dict[tuple[str, str, int], list[Effect]]


def by_attempt(world: World, effects: Iterable[Effect]) -> Effects:
    """Return the effects by uid, path and attempt, in order of time.

    The path is that of the history where the request belongs to an attempt of it, else as said.
    """
    found: Effects = {}
    for effect in sorted(effects, key=lambda one: one.at):
        place = (effect.uid, _path_of(world, effect), effect.attempt)
        found.setdefault(place, []).append(effect)
    return found


def key_of(account: Account, attempt: Attempt) -> str:
    """Return the Idempotency-Key of a call; no instance has more than one round yet."""
    suffix = "/start" if "poll" in attempt.request else ""
    return sha256(f"{account.uid}/r0/{attempt.path}{suffix}".encode())


def _path_of(world: World, effect: Effect) -> str:
    account = world.accounts.get(effect.uid)
    if account is None:
        return effect.path
    said = _plain(effect.path)
    meant = [
        attempt
        for attempt in account.attempts.values()
        if attempt.number == effect.attempt and _plain(attempt.path) == said
    ]
    if len(meant) > 1:
        keyed = [one for one in meant if key_of(account, one) == effect.key]
        begun = [one for one in meant if one.claims[0].at <= effect.at]
        meant = keyed or begun[-1:] or meant
    return meant[0].path if meant else effect.path


def _plain(path: str) -> str:
    """Return a path without the marks of repeated blocks."""
    return _MARK.sub("", path)
