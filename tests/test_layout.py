"""The shape of the tree: what would break everything quietly if it slipped."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "operator"
ENGINE = SOURCES / "perdure" / "engine"

# Whatever would make two replays of one history differ.
NOT_IN_THE_ENGINE = {"time", "random", "uuid", "os", "asyncio", "logging", "secrets", "threading"}


def test_the_name_operator_means_the_standard_library_in_the_root() -> None:
    program = "import operator, collections; print(operator.add('o', 'k'), operator.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    answer, path = done.stdout.split(maxsplit=1)
    assert answer == "ok"
    assert not Path(path.strip()).is_relative_to(ROOT / "operator")


def test_the_source_root_is_no_package() -> None:
    assert not (SOURCES / "__init__.py").exists()
    assert [path.name for path in SOURCES.iterdir() if path.name != "__pycache__"] == ["perdure"]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=lambda path: path.name)
def test_the_engine_imports_nothing_that_could_tell_two_replays_apart(path: Path) -> None:
    for name in imports_of(path):
        top = name.partition(".")[0]
        is_own = name == "perdure.engine" or name.startswith("perdure.engine.")
        assert is_own or top in sys.stdlib_module_names, f"{path.name} imports {name}"
        assert top not in NOT_IN_THE_ENGINE, f"{path.name} imports {name}"


def test_the_engine_loads_with_the_standard_library_alone() -> None:
    """In a Python without site-packages, where only the source root is on the path."""
    names = [f"perdure.engine.{path.stem}" for path in ENGINE.glob("[a-z]*.py")]
    program = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); import {', '.join(names)}"
    subprocess.run([sys.executable, "-S", "-I", "-c", program], cwd=ROOT, check=True)


def test_no_file_names_a_path_of_some_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix in (".py", ".md", ".yaml", ".toml", ".go", ""):
            text = path.read_text(errors="replace")
            for machine_path in ("/ho" + "me/", "/ro" + "ot/", "/wo" + "rk/", "/Us" + "ers/"):
                assert machine_path not in text, f"{name} names {machine_path}"
