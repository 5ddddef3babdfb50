"""Many JSON values, cheaply: what a property test would draw, without its bookkeeping."""

import math
import struct
from collections.abc import Callable
from random import Random  # noqa: TID251 - seeded, so that every run is the same

from perdure.engine.values import Json, normalise

TEXT = "aZ09 \t\n\r\x00\x1f\x7f\"\\/<>&'{}$.~é\u2028\u2029\ufeff\ufffdß漢🙂"
EDGES: tuple[Json, ...] = (
    2.0**63,
    -(2.0**64),
    1e19,
    1e20,
    1e21,
    1e22,
    1e-6,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    0.1,
    -0.0,
    2**63 - 1,
    -(2**63),
    2**53 + 1,
    "",
    [],
    {},
    {"": None},
    {"$payload": 1},
    {"$value": {}},
)


def number(random: Random) -> Json:
    """Return a float of any bits."""
    value: float = struct.unpack("<d", random.randbytes(8))[0]
    return value if math.isfinite(value) else 0.5


def text(random: Random) -> str:
    return "".join(random.choices(TEXT, k=random.randrange(8)))


def scalar(random: Random) -> Json:
    makers: tuple[Callable[[Random], Json], ...] = (
        number,
        text,
        lambda r: r.randint(-(2**63), 2**63 - 1),
        lambda r: r.randint(-(10**15), 10**15) / 1000,
        lambda r: r.choice((None, True, False, *EDGES)),
    )
    return random.choice(makers)(random)


def value(random: Random, depth: int = 3) -> Json:
    """Return a normalised value, nested at most so deep."""
    if depth == 0 or random.random() < 0.5:
        return normalise(scalar(random))
    children = [value(random, depth - 1) for _ in range(random.randrange(4))]
    if random.random() < 0.5:
        return children
    return normalise({text(random): child for child in children})


def values(count: int, seed: int = 1) -> list[Json]:
    """Return so many values, the edges among them; the same ones for a seed."""
    random = Random(seed)
    edges = [normalise(edge) for edge in EDGES]
    return [*edges, *(value(random) for _ in range(count - len(edges)))]
