"""Copies of the product, as it is and with a bug planted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.simulation.planted.mutant import Mutant, planted_in

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "perdure"


def changed_files(mutant: Mutant, package: Path = PACKAGE) -> Mapping[Path, str]:
    """Return the files that the mutant changes, with their new text, by path below the package.

    Raises StaleMutantError.
    """
    texts: dict[Path, str] = {}
    for change in mutant.changes:
        path = Path(change.file)
        text = texts[path] if path in texts else (package / path).read_text()
        texts[path] = planted_in(text, change, mutant.name)
    return texts


@contextmanager
def copied() -> Iterator[Path]:
    """Make a copy of the product in a directory for PYTHONPATH; it is gone after the block.

    What was compiled already is copied along: that saves a second for each copy.
    """
    with tempfile.TemporaryDirectory(prefix="perdure-planted-") as made:
        directory = Path(made)
        shutil.copytree(PACKAGE, directory / PACKAGE.name)
        yield directory


@contextmanager
def apply(mutant: Mutant, pristine: Path) -> Iterator[Path]:
    """Make a copy of the pristine copy that has the bug. Raises StaleMutantError.

    All mutants of one run start from one copy, whatever happens to the tree meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix=f"perdure-{mutant.name}-") as made:
        directory = Path(made)
        package = directory / PACKAGE.name
        shutil.copytree(pristine / PACKAGE.name, package)
        for path, text in changed_files(mutant, package).items():
            (package / path).write_text(text)
        yield directory


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of a process that is to import the product from a copy."""
    return {**os.environ, "PYTHONPATH": str(directory)}


def imported_from(directory: Path) -> Path:
    """Return where a process with this environment takes the product from."""
    found = subprocess.run(
        [sys.executable, "-c", "import perdure; print(perdure.__file__)"],
        cwd=ROOT,
        env=environment(directory),
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip()).parents[1]
