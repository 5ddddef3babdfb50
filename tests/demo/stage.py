"""Where the demo plays: a cluster made for it, or the one that the reader's kubectl talks to."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass

from tests.cluster.clients import fetch_clients
from tests.cluster.cluster import Cluster
from tests.cluster.programs import build_programs
from tests.demo.errors import DemoError
from tests.demo.screen import command, report, say

CLUSTER = "demo"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the options that lead it to the stage; `shown` is what the reader types."""

    program: str
    options: tuple[str, ...]
    shown: str
    environment: dict[str, str]

    def arguments(self, *args: str) -> list[str]:
        return [self.program, *self.options, *args]

    def show(self, *args: str) -> str:
        """Return the command line as the reader would type it."""
        return shlex.join([*shlex.split(self.shown), *args])

    def quiet(self, *args: str, text: str | None = None) -> str:
        """Run it; return its output. Raises DemoError with what it complained about."""
        done = subprocess.run(
            self.arguments(*args),
            input=text,
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        if done.returncode != 0:
            output = (done.stderr + done.stdout).strip()
            raise DemoError(f"{self.show(*args)}: exit status {done.returncode}\n{output}")
        return done.stdout

    def run(self, *args: str) -> str:
        """Show the command, run it, show its output."""
        command(self.show(*args))
        output = self.quiet(*args)
        for line in output.splitlines():
            say(line)
        return output


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster that is ready for CRDs, and the ways into it.

    `reader` is the kubectl of the reader, `admin` one that may install. `operator_flags` and
    `operator_environment` lead the operator there. `exports` are what the reader types first.
    """

    name: str
    reader: Kubectl
    admin: Kubectl
    operator_flags: tuple[str, ...]
    operator_environment: dict[str, str]
    exports: tuple[str, ...]


def local_stage() -> Stage:
    """Start the cluster of the demo, its programs built first where they are missing.

    Raises ClusterError when that is not possible, MissingToolError when something is missing.
    """
    build_programs(report)
    clients = fetch_clients(report)
    cluster = Cluster(CLUSTER, report)
    cluster.up()
    say(f"etcd, API server and controller manager run; the API server is {cluster.server}")
    path = cluster.kubeconfig()
    environment = dict(os.environ) | {
        "KUBECONFIG": str(path),
        # Discovery is kept by host and port, which another cluster may have had.
        "KUBECACHEDIR": str(cluster.layout.root / "clients" / "kubectl"),
    }
    kubectl = Kubectl(str(clients.kubectl), (), "kubectl", environment)
    exports = (f"export KUBECONFIG={path}", f"export PATH={clients.kubectl.parent}:$PATH")
    operator = dict(os.environ) | {"KUBECONFIG": str(cluster.kubeconfig("operator"))}
    return Stage(CLUSTER, kubectl, kubectl, (), operator, exports)


def stop_local_stage() -> None:
    """Stop the cluster of the demo, and delete its data."""
    Cluster(CLUSTER, report).down()


@dataclass(frozen=True, slots=True)
class Context:
    """The reader's own cluster, as their kubeconfig names it."""

    name: str
    kubectl: str
    namespace: str = "perdure-demo"

    def tool(self, *options: str) -> Kubectl:
        leading = ("--context", self.name, *options)
        shown = shlex.join(["kubectl", *leading])
        return Kubectl(self.kubectl, leading, shown, dict(os.environ))


def current_context() -> Context:
    """Return the current context of the reader's kubeconfig. Raises DemoError without one."""
    kubectl = shutil.which("kubectl") or str(fetch_clients(report).kubectl)
    call = [kubectl, "config", "current-context"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(
            "kubectl has no current context: choose one with `kubectl config use-context NAME` "
            "(a kind cluster is made with `kind create cluster --config kind-config.yaml`), or run "
            f"`make demo` without CLUSTER\n{done.stderr.strip()}"
        )
    return Context(done.stdout.strip(), kubectl)


def plan_of(context: Context) -> list[str]:
    """Return what the demo does to the reader's cluster, for them to know before."""
    return [
        f"The current context is {context.name}. The demo will",
        "  - apply the CRDs of crds/ there (they stay until you delete them),",
        f"  - make the namespace {context.namespace}, and in it a definition and an instance,",
        "  - run operator and services on this machine, with your rights; the operator looks at",
        "    that namespace only.",
        "`make demo-down` stops the processes and deletes the namespace.",
    ]


def current_stage(context: Context) -> Stage:
    """Make the namespace in the reader's cluster; the operator's Lease will be there, too."""
    admin = context.tool()
    admin.quiet("apply", "-f", "-", text=_namespace(context.namespace))
    say(f"namespace {context.namespace} is there")
    flags = ["--context", context.name, "--namespace", context.namespace]
    flags += ["--watch-namespace", context.namespace]
    reader = context.tool("--namespace", context.namespace)
    return Stage(context.name, reader, admin, tuple(flags), dict(os.environ), ())


def leave_context(name: str) -> None:
    """Delete what the demo made in the reader's cluster, but for the CRDs."""
    kubectl = shutil.which("kubectl") or str(fetch_clients(report).kubectl)
    context = Context(name, kubectl)
    admin = context.tool()
    admin.run("delete", "namespace", context.namespace, "--ignore-not-found", "--wait=false")
    say("the CRDs stay; this deletes them, with all definitions and instances that there are:")
    command(admin.show("delete", "-f", "crds"))


def _namespace(name: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n"
