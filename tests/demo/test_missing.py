"""What is missing on the machine is named, with the way to get it."""

import subprocess
import sys
from pathlib import Path

from tests.cluster.control_plane import ROOT

FIND_PYTHON = ROOT / ".ci" / "find-python"
WITHOUT_VENV = """#!/bin/sh
case "$2" in
    *ensurepip*) exit 1 ;;
    *'"%d.%d"'*) echo 3.12 ;;
esac
"""


def run(command: list[str], path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": str(path), "HOME": str(path), "NO_COLOR": "1"} | variables
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_the_demo_names_a_missing_go_and_the_way_round(tmp_path: Path) -> None:
    done = run([sys.executable, "-m", "tests.demo", "up"], tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "missing: `go` was not found" in done.stderr
    assert "make demo CLUSTER=current" in done.stderr


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    done = run([str(FIND_PYTHON)], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "install Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_is_named_with_its_package(tmp_path: Path) -> None:
    program(tmp_path / "python3", WITHOUT_VENV)
    done = run([str(FIND_PYTHON)], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "apt-get install python3.12-venv" in done.stderr


def test_a_newer_python_is_found_behind_one_without_venv(tmp_path: Path) -> None:
    program(tmp_path / "python3", WITHOUT_VENV)
    program(tmp_path / "python3.13", "#!/bin/sh\n")
    done = run([str(FIND_PYTHON)], tmp_path)
    assert (done.returncode, done.stdout) == (0, "python3.13\n")
