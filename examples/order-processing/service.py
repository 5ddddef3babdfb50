"""Three small services in one program: inventory, payments and shipping.

    python examples/order-processing/service.py --port 8000

    POST   /reservations        inventory: put the items of an order aside
    DELETE /reservations/<id>   inventory: put them back
    POST   /charges             payments: take the money; 503 at first, 402 above the card's limit
    POST   /shipments           shipping: hand a parcel over
    GET    /ledger              what was done, for tests and the curious

Every effect happens once per `Idempotency-Key`, however often the request arrives: that is all a
service has to do for a workflow that repeats calls whose answers were lost. Memory only, so a
restart forgets; a real service keeps key and answer in its database, in one transaction.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CARD_LIMIT = 5_000
BUSY_SECONDS = "2"

Answer = tuple[HTTPStatus, dict[str, Any]]


@dataclass
class Shop:
    """What the services know. `answers` holds the answer to each key that had an effect."""

    answers: dict[str, Answer] = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, key: str, effect: Callable[[str], Answer]) -> Answer:
        """Return the answer to a key: that of the first time, or that of `effect` now."""
        with self.lock:
            if key in self.answers:
                return self.answers[key]
            answer = effect(key)
            if answer[0] < HTTPStatus.INTERNAL_SERVER_ERROR:
                self.answers[key] = answer
            return answer

    def number(self, prefix: str) -> str:
        return f"{prefix}-{len(self.ledger) + 1:04}"

    def note(self, what: str, **details: Any) -> None:
        self.ledger.append({"what": what, **details})

    def reserve(self, order: dict[str, Any]) -> Answer:
        reservation = self.number("R")
        self.note("reserved", id=reservation, order=order["order"])
        return HTTPStatus.CREATED, {"id": reservation, "items": order["items"]}

    def release(self, reservation: str) -> Answer:
        self.note("released", id=reservation)
        return HTTPStatus.OK, {"id": reservation, "released": True}

    def charge(self, order: dict[str, Any], key: str) -> Answer:
        """Take the money. The first request with a key finds the provider busy."""
        if key not in self.busy:
            self.busy.add(key)
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "busy, try again"}
        if order["amount"] > CARD_LIMIT:
            return HTTPStatus.PAYMENT_REQUIRED, {"error": f"the card pays at most {CARD_LIMIT}"}
        charge = self.number("C")
        self.note("charged", id=charge, order=order["order"], amount=order["amount"])
        return HTTPStatus.CREATED, {"id": charge, "amount": order["amount"]}

    def ship(self, order: dict[str, Any]) -> Answer:
        tracking = self.number("T")
        self.note("shipped", id=tracking, order=order["order"], speed=order["speed"])
        return HTTPStatus.CREATED, {"tracking": tracking, "speed": order["speed"]}


class Handler(BaseHTTPRequestHandler):
    """One request. `shop` is set by `server`."""

    shop: Shop

    def do_GET(self) -> None:
        if self.path != "/ledger":
            self.answer(HTTPStatus.NOT_FOUND, {"error": f"nothing at {self.path}"})
            return
        with self.shop.lock:
            self.answer(HTTPStatus.OK, {"entries": list(self.shop.ledger)})

    def do_POST(self) -> None:
        effects: dict[str, Callable[[str], Answer]] = {
            "/reservations": lambda _: self.shop.reserve(order),
            "/charges": lambda key: self.shop.charge(order, key),
            "/shipments": lambda _: self.shop.ship(order),
        }
        length = int(self.headers.get("Content-Length", "0"))
        order = json.loads(self.rfile.read(length) or b"{}")
        if self.path not in effects:
            self.answer(HTTPStatus.NOT_FOUND, {"error": f"nothing at {self.path}"})
            return
        self.once(effects[self.path])

    def do_DELETE(self) -> None:
        reservation = self.path.removeprefix("/reservations/")
        self.once(lambda _: self.shop.release(reservation))

    def once(self, effect: Callable[[str], Answer]) -> None:
        key = self.headers.get("Idempotency-Key")
        if key is None:
            self.answer(HTTPStatus.BAD_REQUEST, {"error": "Idempotency-Key is missing"})
            return
        try:
            self.answer(*self.shop.once(key, effect))
        except KeyError as error:
            self.answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": f"{error} is missing"})

    def answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", BUSY_SECONDS)
        self.end_headers()
        self.wfile.write(body)


def server(port: int) -> ThreadingHTTPServer:
    """Return the services, listening on the loopback interface; port 0 picks a free one."""

    class ShopHandler(Handler):
        shop = Shop()

    return ThreadingHTTPServer(("127.0.0.1", port), ShopHandler)


def main() -> None:
    parser = argparse.ArgumentParser(description="Inventory, payments and shipping in one.")
    parser.add_argument("--port", type=int, default=8000)
    services = server(parser.parse_args().port)
    print(f"listening on http://127.0.0.1:{services.server_port}", flush=True)
    services.serve_forever()


if __name__ == "__main__":
    main()
