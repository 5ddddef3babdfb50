"""Running seeds until one breaks a promise: the child process of a hunt.

The parent has set PYTHONPATH, so that the product imported here is a copy with a bug in it. The
seeds come on the standard input; the result is one line of JSON on the standard output.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from tests.simulation.campaign import Brief, run_logged_seed, run_seed
from tests.simulation.guard import real_world_refused
from tests.simulation.planted.catch import Catch

import perdure

LONGEST_SECONDS = 60
"""Of real time. A seed takes a fraction of a second; one that takes so long is caught in a loop."""
TIDY_EVERY = 20
MOST_TEXT = 300


class EndlessRunError(BaseException):
    """A seed took longer than any should; nothing in the product may swallow this."""


def hunt(seeds: Sequence[int], run: Callable[[int], Brief]) -> Catch | None:
    """Run the seeds in order until one fails."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    gc.freeze()
    signal.signal(signal.SIGALRM, _endless)
    for number, seed in enumerate(seeds):
        caught = _caught(seed, run)
        if caught is not None:
            return caught
        if number % TIDY_EVERY == 0:
            gc.collect()
    return None


def _caught(seed: int, run: Callable[[int], Brief]) -> Catch | None:
    """Run one seed. What the world itself cannot bear is a catch, too: nothing hides there."""
    signal.alarm(LONGEST_SECONDS)
    try:
        with real_world_refused():
            brief = run(seed)
    except EndlessRunError:
        return Catch(seed, "endless", f"the run did not end within {LONGEST_SECONDS} s")
    except Exception as error:  # noqa: BLE001  a bug may break anything
        return Catch(seed, "broken", f"{type(error).__name__}: {error}"[:MOST_TEXT])
    finally:
        signal.alarm(0)
    if not brief.violations:
        return None
    return Catch(seed, brief.invariants[0], brief.violations[0][:MOST_TEXT])


def _endless(number: int, frame: FrameType | None) -> None:
    raise EndlessRunError


def main(arguments: Sequence[str]) -> int:
    """Hunt through the seeds and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("copy", type=Path, help="where the product has to come from")
    parser.add_argument("--log", action="store_true", help="the turns stand in the log")
    options = parser.parse_args(arguments)
    assert Path(perdure.__file__).is_relative_to(options.copy), perdure.__file__
    seeds = [int(seed) for seed in sys.stdin.read().split()]
    caught = hunt(seeds, run_logged_seed if options.log else run_seed)
    print(json.dumps(None if caught is None else asdict(caught)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
