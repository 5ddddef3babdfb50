"""The examples run as their READMEs say."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ROOT
from tests.demo.background import SERVICE_NAMES, ask
from tests.demo.story import APPROVAL, history_lines
from tests.e2e.conftest import Operators

pytestmark = pytest.mark.cluster

ORDER_PROCESSING = ROOT / "examples" / "order-processing"
WAIT = "--timeout=60s"


@pytest.fixture
def shop() -> Iterator[str]:
    """The services of the example, by their URL."""
    program = [sys.executable, str(ORDER_PROCESSING / "service.py"), "--port", "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.kill()


class Orders:
    """The definition `order` in a namespace, and instances of it, as a user handles them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._apply((ORDER_PROCESSING / "definition.yaml").read_text())
        self._kubectl("wait", "--for=condition=Ready", "wfd/order", WAIT)

    def start(self, order: str, price: float, express: bool = False) -> None:
        """Apply the instance of the example under another name, with one item at a price."""
        instance = yaml.safe_load((ORDER_PROCESSING / "instance.yaml").read_text())
        instance["metadata"]["name"] = order
        items = [{"sku": "lamp", "quantity": 1, "price": price}]
        instance["spec"]["input"] = {"orderId": order, "express": express, "items": items}
        self._apply(yaml.safe_dump(instance))

    def answer(self, order: str, is_approved: bool) -> None:
        """Raise the event `approval`, as soon as the order waits for it."""
        waits = "--for=jsonpath={.status.waitingFor[0].name}=approval"
        self._kubectl("wait", waits, f"wfi/{order}", WAIT)
        value = APPROVAL["value"] | {"data": {"approved": is_approved}}
        patch = json.dumps([APPROVAL | {"value": value}])
        self._kubectl("patch", "wfi", order, "--type=json", "-p", patch)

    def ended(self, order: str) -> dict[str, Any]:
        """Return the status once the order has ended."""
        self._kubectl("wait", "--for=condition=Completed", f"wfi/{order}", WAIT)
        status: dict[str, Any] = json.loads(self._kubectl("get", "wfi", order, "-o", "json"))
        return dict(status["status"])

    def _apply(self, text: str) -> None:
        self._cluster.kubectl(
            "apply", "-n", self._namespace, "-f", "-", identity="user", input=text
        )

    def _kubectl(self, *args: str) -> str:
        return self._cluster.kubectl(*args, "-n", self._namespace, identity="user").stdout


def test_a_large_order_is_approved_charged_and_shipped_once(
    cluster: Cluster, namespace: str, operators: Operators, shop: str
) -> None:
    operators("examples", services=dict.fromkeys(SERVICE_NAMES, shop))
    orders = Orders(cluster, namespace)
    orders.start("large", 1240, express=True)
    orders.answer("large", is_approved=True)
    status = orders.ended("large")

    assert status["phase"] == "Succeeded", status["message"]
    assert status["output"] == {"total": 1240, "charge": "C-0002", "tracking": "T-0003"}
    assert status["progress"] == "7/7"
    assert done(shop, "large") == ["reserved", "charged", "shipped"]
    lines = history_lines(status["history"]["events"])
    assert len(lines) == status["history"]["length"]
    assert any("Failed" in line and "503" in line for line in lines), "the provider was busy first"


def test_orders_end_as_they_should_in_every_other_case(
    cluster: Cluster, namespace: str, operators: Operators, shop: str
) -> None:
    operators("examples", services=dict.fromkeys(SERVICE_NAMES, shop))
    orders = Orders(cluster, namespace)
    orders.start("small", 12.5)
    orders.start("refused", 1500)
    orders.start("declined", 6000)
    orders.answer("refused", is_approved=False)
    orders.answer("declined", is_approved=True)

    small = orders.ended("small")
    assert small["phase"] == "Succeeded", small["message"]
    assert small["output"]["total"] == 12.5
    assert done(shop, "small") == ["reserved", "charged", "shipped"]
    for order, why in (("refused", "not approved"), ("declined", "card was declined")):
        status = orders.ended(order)
        assert status["phase"] == "Failed"
        assert status["error"]["type"] == "OrderRefused"
        assert why in status["error"]["message"]
        assert done(shop, order) == ["reserved", "released"]


def done(shop: str, order: str) -> list[str]:
    """Return what the services did for an order, in order; a release names the reservation."""
    entries = ask(f"{shop}/ledger")["entries"]
    ids = {entry["id"] for entry in entries if entry.get("order") == order}
    return [entry["what"] for entry in entries if entry["id"] in ids]
