"""The command lines of the three programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.cluster.programs import Programs

Component = Literal["etcd", "apiserver", "controller-manager"]
COMPONENTS: tuple[Component, ...] = ("etcd", "apiserver", "controller-manager")

SERVICE_RANGE = "10.96.0.0/16"
SERVER_NAMES = (
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",  # the first address of SERVICE_RANGE, the Service `kubernetes`
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one cluster."""

    etcd: int
    apiserver: int

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.apiserver}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of one cluster lie; everything is below `root`."""

    root: Path

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def pids(self) -> Path:
        return self.root / "pid"

    @property
    def audit(self) -> Path:
        return self.log / "audit.jsonl"

    def kubeconfig(self, identity: str) -> Path:
        return self.root / "kubeconfig" / f"{identity}.yaml"


def command(component: Component, programs: Programs, layout: Layout, ports: Ports) -> list[str]:
    match component:
        case "etcd":
            return etcd(programs, layout, ports)
        case "apiserver":
            return apiserver(programs, layout, ports)
        case "controller-manager":
            return controller_manager(programs, layout)


def etcd(programs: Programs, layout: Layout, ports: Ports) -> list[str]:
    url = f"http://127.0.0.1:{ports.etcd}"
    return [
        str(programs.etcd),
        f"--data-dir={layout.root / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",  # there are no peers
        "--unsafe-no-fsync",  # the data is thrown away; the disk would set the pace
        f"--quota-backend-bytes={8 << 30}",  # the default of 2 GiB ends a long benchmark
        "--log-level=warn",
    ]


def apiserver(programs: Programs, layout: Layout, ports: Ports) -> list[str]:
    pki = layout.pki
    return [
        str(programs.kubernetes),
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        "--endpoint-reconciler-type=none",  # a loopback address is no valid endpoint
        # Built-in kinds as custom ones, so that whoever reads etcd understands them all.
        "--storage-media-type=application/json",
        f"--cert-dir={layout.root / 'tmp'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--allow-privileged=true",
        "--profiling=false",
        # Benchmarks send more at once than the defaults of 400 and 200 let in.
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
        f"--audit-policy-file={Path(__file__).with_name('audit-policy.yaml')}",
        f"--audit-log-path={layout.audit}",
        "--audit-log-maxsize=100000",  # MB: never rotated, so that byte offsets keep their meaning
    ]


def controller_manager(programs: Programs, layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        str(programs.kubernetes),
        "kube-controller-manager",
        f"--kubeconfig={layout.kubeconfig('controller-manager')}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--cert-dir={layout.root / 'tmp'}",
        # Otherwise it makes a folder below /usr.
        f"--flex-volume-plugin-dir={layout.root / 'volumeplugins'}",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
