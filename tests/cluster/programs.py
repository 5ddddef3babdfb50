"""The programs of the cluster, built from their Go modules into the user's cache.

`kubernetes` holds API server, controller manager, scheduler, kubelet and kube-proxy;
`etcd` is itself. Versions stand in the two `go.mod` files and nowhere else.
"""

import fcntl
import hashlib
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError, MissingToolError

HERE = Path(__file__).parent
MODULES = {"etcd": HERE / "etcd", "kubernetes": HERE}
SOURCES = ("go.mod", "go.sum", "main.go")
# One set of flags everywhere: -trimpath and -tags would each give another build cache.
BUILD_FLAGS = ("-v", "-mod=readonly", "-buildvcs=false")
TICK_SECONDS = 1.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the built programs; `key` names their versions and sources."""

    key: str
    kubernetes: Path
    etcd: Path


def cache_directory() -> Path:
    """Return the cache of this project, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "perdure"


def version(module: str, package: str) -> str:
    """Return the version, without its `v`, at which `module` requires `package`."""
    text = (MODULES[module] / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s+{re.escape(package)} v(\S+)", text, re.MULTILINE)
    if found is None:
        raise ClusterError(f"tests/cluster: go.mod of {module} does not require {package}")
    return found.group(1)


def kubernetes_version() -> str:
    return version("kubernetes", "k8s.io/kubernetes")


def version_key() -> str:
    """Return the name of the cache entry: both versions and a hash of all that shapes them."""
    digest = hashlib.sha256(" ".join(BUILD_FLAGS + ldflags()).encode())
    for directory in MODULES.values():
        for source in SOURCES:
            digest.update((directory / source).read_bytes())
    etcd = version("etcd", "go.etcd.io/etcd/server/v3")
    return f"{kubernetes_version()}-{etcd}-{digest.hexdigest()[:12]}"


def find_programs() -> Programs | None:
    """Return the programs if both are built, without building anything."""
    key = version_key()
    directory = cache_directory() / "cluster" / key
    programs = Programs(key, directory / "kubernetes", directory / "etcd")
    is_built = programs.kubernetes.exists() and programs.etcd.exists()
    return programs if is_built else None


def build_programs(report: Report) -> Programs:
    """Return the programs, built first where the cache lacks them (minutes, once).

    A build that is broken off leaves no program behind, only a warmer Go build cache.
    Raises MissingToolError without a Go that is new enough, ClusterError if a build fails.
    """
    found = find_programs()
    if found is not None:
        return found
    check_go()
    directory = cache_directory() / "cluster" / version_key()
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory.parent / "lock", report):
        missing = [name for name in MODULES if not (directory / name).exists()]
        for number, name in enumerate(missing, start=1):
            build(name, directory / name, f"building {name} ({number} of {len(missing)})", report)
    built = find_programs()
    assert built is not None, "both builds succeeded"
    return built


def check_go() -> None:
    """Raise MissingToolError unless a Go that can build both modules is on the PATH."""
    wanted, directory = max((go_line(directory), directory) for directory in MODULES.values())
    how = (
        f"the test cluster is built with Go {dotted(wanted)} or newer; install it from "
        "https://go.dev/dl or with your package manager, and put `go` on the PATH"
    )
    if shutil.which("go") is None:
        raise MissingToolError(f"`go` was not found: {how}")
    # Asked inside the module, a Go that may fetch newer ones of itself names the one it will use.
    answer = subprocess.run(
        ["go", "version"], cwd=directory, capture_output=True, text=True, check=False
    )
    found = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    if found is None:
        raise MissingToolError(f"`go version` says {answer.stdout + answer.stderr!r}: {how}")
    if tuple(map(int, found.groups())) < wanted[:2]:
        raise MissingToolError(f"{answer.stdout.strip()} is too old: {how}")


def go_line(directory: Path) -> tuple[int, ...]:
    found = re.search(r"^go (\S+)$", (directory / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, "a go.mod has a go line"
    return tuple(int(part) for part in found.group(1).split("."))


def dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def ldflags() -> tuple[str, ...]:
    """Return the linker's flags: no debug tables, and the version stamped into the programs.

    Unstamped they call themselves v0.0.0-master, which kubectl and Helm cannot parse.
    """
    number = kubernetes_version()
    major, minor, _ = number.split(".")
    stamps = {
        "gitVersion": f"v{number}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    pairs = [f"{package}.{name}={value}" for package in packages for name, value in stamps.items()]
    return ("-s", "-w", *(part for pair in pairs for part in ("-X", pair)))


@contextmanager
def locked(path: Path, report: Report) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel drops it if this process dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another build of the test cluster")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(name: str, target: Path, title: str, report: Report) -> None:
    """Build the module `name` and rename it to `target` when it is complete."""
    for leftover in target.parent.glob(".*.partial"):
        leftover.unlink()
    # A killed build may leave its compiler running: no other build writes to the same file.
    partial = target.with_name(f".{name}.{os.getpid()}.partial")
    command = ["go", "build", *BUILD_FLAGS, "-ldflags", " ".join(ldflags()), "-o", str(partial)]
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    process = subprocess.Popen(
        [*command, "."],
        cwd=MODULES[name],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        lines = follow(process, title, report)
    finally:
        process.terminate()
        process.wait()
    if process.returncode != 0:
        partial.unlink(missing_ok=True)
        raise ClusterError(f"{title}: go build failed\n" + "\n".join(lines[-20:]))
    partial.rename(target)


def follow(process: "subprocess.Popen[str]", title: str, report: Report) -> list[str]:
    """Report once a second until the build ends; return the lines that Go printed."""
    lines: list[str] = []
    news: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=drain, args=(process, news), daemon=True).start()
    started = time.monotonic()
    shown = 0.0
    while True:
        try:
            line = news.get(timeout=TICK_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            break
        if line:
            lines.append(line)
        elapsed = time.monotonic() - started
        if elapsed - shown >= TICK_SECONDS:
            shown = elapsed
            report(f"{title}: {elapsed:.0f} s, {progress(lines)}")
    process.wait()
    report(f"{title}: done in {time.monotonic() - started:.0f} s, {progress(lines)}")
    return lines


def drain(process: "subprocess.Popen[str]", news: "queue.Queue[str | None]") -> None:
    assert process.stderr is not None
    with process.stderr as stream:
        for line in stream:
            news.put(line.rstrip())
    news.put(None)


def progress(lines: list[str]) -> str:
    modules = sum(line.startswith("go: downloading ") for line in lines)
    packages = sum(not line.startswith("go: ") for line in lines)
    return f"{modules} modules fetched, {packages} packages compiled"
