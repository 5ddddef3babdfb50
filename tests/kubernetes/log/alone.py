"""Runs of the lanes in a process of their own, where nothing of other tests is left."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from tests.kubernetes.log.planted import FAULTS, planted
from tests.kubernetes.log.processes import World

P = ParamSpec("P")
T = TypeVar("T")


def alone(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a function gives in a fresh interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def run(seeds: int) -> tuple[list[tuple[int, list[str]]], Counter[str]]:
    """Return the first seed that breaks something, if any does, and how often things happened."""
    logging.disable(logging.CRITICAL)
    seen: Counter[str] = Counter()
    for seed in range(seeds):
        world = World(seed)
        if broken := world.run():
            return [(seed, broken)], seen
        seen += world.judge.seen
    return [], seen


def finds(name: str, most: int) -> bool:
    """Return whether so many seeds find the planted fault of this name."""
    logging.disable(logging.CRITICAL)
    fault, first = next((each, at) for each, at in FAULTS.items() if each.__name__ == name)
    with planted(fault):
        return any(World(seed).run() for seed in range(first, first + most))
