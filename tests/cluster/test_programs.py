"""Building the programs, with a stand-in for Go that is done at once."""

import os
from pathlib import Path

import pytest
from tests.cluster.errors import ClusterError, MissingToolError
from tests.cluster.programs import build_programs, find_programs, version_key

GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit 0; fi
echo "go: downloading example.com/module v1.0.0" >&2
echo "example.com/module/package" >&2
while [ "$1" != -o ]; do shift; done
echo program > "$2"
case "$2" in *{failing}*) echo "package.go:1: broken" >&2; exit 1;; esac
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a stand-in `go`, alone on the PATH with the shell's own programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def install_go(folder: Path, version: str = "1.99.0", failing: str = "nothing") -> None:
    program = folder / "go"
    program.write_text(GO.format(version=version, failing=failing))
    program.chmod(0o755)


def built(tmp_path: Path) -> set[str]:
    """Return what lies in the cache, the lock aside."""
    return {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} - {"lock"}


@pytest.mark.usefixtures("go")
def test_a_missing_go_is_named_together_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"`go` was not found: .* Go 1\.\d+\.\d+ .* install"):
        build_programs(lambda _: None)


def test_an_old_go_is_refused_before_anything_is_built(go: Path, tmp_path: Path) -> None:
    install_go(go, version="1.20.3")
    with pytest.raises(MissingToolError, match=r"go1\.20\.3 linux/amd64 is too old"):
        build_programs(lambda _: None)
    assert built(tmp_path) == set()


def test_both_programs_are_built_once_and_then_found(go: Path, tmp_path: Path) -> None:
    install_go(go)
    lines: list[str] = []
    programs = build_programs(lines.append)
    assert programs.key == version_key()
    assert built(tmp_path) == {"etcd", "kubernetes"}
    done = [line for line in lines if "done in" in line]
    assert [line.split(":")[0] for line in done] == [
        "building etcd (1 of 2)",
        "building kubernetes (2 of 2)",
    ]
    assert all("1 modules fetched, 1 packages compiled" in line for line in done)

    (go / "go").unlink()
    assert build_programs(lines.append) == find_programs() == programs


def test_a_failed_build_leaves_no_program_and_says_what_go_said(go: Path, tmp_path: Path) -> None:
    install_go(go, failing="kubernetes")
    with pytest.raises(ClusterError, match=r"(?s)building kubernetes .*package\.go:1: broken"):
        build_programs(lambda _: None)
    assert built(tmp_path) == {"etcd"}
    assert find_programs() is None

    install_go(go)
    build_programs(lambda _: None)
    assert built(tmp_path) == {"etcd", "kubernetes"}
