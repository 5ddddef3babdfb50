"""The order, as a user sees it: applied, followed, approved, done."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.demo.background import ask
from tests.demo.errors import DemoError
from tests.demo.screen import NEWS_SECONDS, chapter, command, console, report, say
from tests.demo.stage import Kubectl

EXAMPLE = "examples/order-processing"
INSTANCE = "order-42"
ENDINGS = ("Succeeded", "Failed", "Terminated")
STEP_SECONDS = 60.0

APPROVAL: dict[str, Any] = {
    "op": "add",
    "path": "/spec/events/-",
    "value": {"id": "e1", "name": "approval", "data": {"approved": True, "by": "ann"}},
}


def tell(kubectl: Kubectl, services: str) -> None:
    """Run the order from `kubectl apply` to its output."""
    with chapter("A definition, and an instance of it"):
        kubectl.quiet("delete", "wfi", INSTANCE, "--ignore-not-found", f"--timeout={STEP_SECONDS}s")
        kubectl.run("apply", "-f", f"{EXAMPLE}/definition.yaml")
        kubectl.run("wait", "--for=condition=Ready", "wfd/order", "--timeout=30s")
        kubectl.run("apply", "-f", f"{EXAMPLE}/instance.yaml")
    with chapter("It runs until somebody has to approve it: it costs over 1000"):
        follow(kubectl, "the order to wait for approval", _waits_for("approval"))
        message = kubectl.quiet("get", "wfi", INSTANCE, "-o", "jsonpath={.status.message}")
        say(f"status.message: {message}")
    with chapter("Ann approves: an event, by a patch"):
        kubectl.run("patch", "wfi", INSTANCE, "--type=json", "-p", json.dumps([APPROVAL]))
        follow(kubectl, "the order to end", _has_ended)
    with chapter("The output"):
        kubectl.run("wait", "--for=condition=Completed", f"wfi/{INSTANCE}", "--timeout=30s")
        command(kubectl.show("get", "wfi", INSTANCE, "-o", "jsonpath={.status.output}"))
        instance = json.loads(kubectl.quiet("get", "wfi", INSTANCE, "-o", "json"))
        status = instance["status"]
        if status["phase"] != "Succeeded":
            raise DemoError(f"the order ended {status['phase']}: {status.get('message')}")
        console.print_json(json.dumps(status["output"]), indent=2)
    with chapter("What happened, from the history in status.history.events"):
        for line in history_lines(status["history"]["events"]):
            say(line)
    with chapter("What the services did: each thing once, though one call was repeated"):
        for entry in ask(f"{services}/ledger")["entries"]:
            say(json.dumps(entry))


def follow(kubectl: Kubectl, what: str, is_over: Callable[[str], bool]) -> None:
    """Show the lines of `kubectl get --watch` until one says that it is over.

    Raises DemoError naming `what` when that takes too long, or the watch ends.
    """
    command(kubectl.show("get", "wfi", INSTANCE, "--watch"))
    watch = subprocess.Popen(
        kubectl.arguments("get", "wfi", INSTANCE, "--watch"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=kubectl.environment,
    )
    try:
        _show_lines(watch, what, is_over)
    finally:
        watch.terminate()
        watch.wait()


def _show_lines(watch: "subprocess.Popen[str]", what: str, is_over: Callable[[str], bool]) -> None:
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_drain, args=(watch, lines), daemon=True).start()
    started, shown = time.monotonic(), ""
    while time.monotonic() - started < STEP_SECONDS:
        try:
            line = lines.get(timeout=NEWS_SECONDS)
        except queue.Empty:
            report(f"waiting for {what}: {time.monotonic() - started:.0f} s")
            continue
        if line is None:
            raise DemoError(f"kubectl ended while waiting for {what}: {shown}")
        if line.split()[:-1] != shown.split()[:-1]:  # only the age differs
            say(line)
        shown = line
        if is_over(line):
            return
    raise DemoError(f"waited {STEP_SECONDS:g} s in vain for {what}: {shown}")


def _drain(watch: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert watch.stdout is not None
    with watch.stdout as stream:
        for line in stream:
            lines.put(line.rstrip())
    lines.put(None)


def _waits_for(name: str) -> Callable[[str], bool]:
    return lambda line: f" {name} " in line or _has_ended(line)


def _has_ended(line: str) -> bool:
    return any(word in line.split() for word in ENDINGS)


def history_lines(events: list[dict[str, Any]]) -> list[str]:
    """Return one line per event: its id, the seconds since the first, what and where."""
    start = _time(events[0]["at"])
    lines = []
    for event in events:
        seconds = (_time(event["at"]) - start).total_seconds()
        lines.append(f"{event['id']:>3}  +{seconds:7.3f} s  {event['type']:<20} {_subject(event)}")
    return lines


def _subject(event: dict[str, Any]) -> str:
    """Return what an event is about, as far as one line goes."""
    words = [str(event[key]) for key in ("path", "name", "purpose") if key in event]
    if "scheduledId" in event:
        words.append(f"of {event['scheduledId']}")
    if "timerId" in event:
        words.append(f"of {event['timerId']}")
    failure = event.get("failure") or event.get("error")
    if isinstance(failure, dict):
        words.append(f"{failure.get('type')}: {failure.get('message')}")
    return " ".join(words)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
