"""The processes that the demo leaves running: the services of the example, and the operator."""

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ROOT, free_ports
from tests.cluster.processes import Process
from tests.demo.errors import DemoError
from tests.demo.screen import say, wait_for
from tests.demo.stage import Stage

FOLDER = ROOT / "build" / "demo"
SERVICES = ROOT / "examples" / "order-processing" / "service.py"
SERVICE_NAMES = ("inventory", "payments", "shipping")
START_SECONDS = 30.0

# Loopback addresses are never meant for a proxy.
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def process(name: str) -> Process:
    """Return one of the background processes, running or not."""
    return Process(name, FOLDER / f"{name}.pid", FOLDER / f"{name}.log")


def start_services() -> str:
    """Start the services anew; return their URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = [sys.executable, str(SERVICES), "--port", str(port)]
    _start("services", arguments, os.environ, f"{url}/ledger")
    say(f"{', '.join(SERVICE_NAMES)}: pid {_pid('services')}, {url}")
    return url


def start_operator(stage: Stage, services: str) -> None:
    """Start the operator anew, and wait until it says that it is ready."""
    health, metrics = free_ports(2)
    arguments = [sys.executable, "-m", "perdure", "operator", "--identity", _identity()]
    arguments += ["--health-port", str(health), "--metrics-port", str(metrics)]
    for name in SERVICE_NAMES:
        arguments += ["--service-map", f"{name}={services}"]
    arguments += stage.operator_flags
    ready = f"http://127.0.0.1:{health}/readyz"
    _start("operator", arguments, stage.operator_environment, ready)
    say(f"operator: pid {_pid('operator')}, {ready}, http://127.0.0.1:{metrics}/metrics")


def stop(name: str) -> bool:
    """End a process, gracefully; say whether it ran."""
    ran = process(name).running() is not None
    process(name).stop(signal.SIGTERM)
    return ran


def ask(url: str) -> Any:
    """Return the JSON at a URL of this machine."""
    with NO_PROXY.open(url, timeout=5) as answer:
        return json.load(answer)


def _start(name: str, arguments: list[str], environment: Mapping[str, str], ready: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    stop(name)
    one = process(name)
    one.log_file.unlink(missing_ok=True)
    one.start(arguments, environment)

    def look() -> bool:
        if one.running() is None:
            log = one.log_file.relative_to(ROOT)
            raise DemoError(f"{name} ended; {log} closes with\n{one.last_lines(20)}")
        return _answers(ready)

    wait_for(f"{name} to be ready", look, START_SECONDS)


def _answers(url: str) -> bool:
    try:
        with NO_PROXY.open(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _pid(name: str) -> int:
    running = process(name).running()
    assert running is not None, "it has just answered"
    return running.pid


def _identity() -> str:
    return f"demo-{os.uname().nodename.lower()}"[:200]


def remember(name: str, value: str) -> None:
    """Keep a value for `make demo-down`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(value)


def recall(name: str) -> str | None:
    """Return a kept value, once."""
    path: Path = FOLDER / name
    if not path.exists():
        return None
    value = path.read_text()
    path.unlink()
    return value
