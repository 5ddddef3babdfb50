"""The process behind `services.LedgerService`: `python -m tests.e2e.service_process PORT`."""

import asyncio
import hashlib
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Entry = dict[str, Any]
DEFAULT: Entry = {
    "status": 200,
    "body": None,
    "text": None,
    "headers": {},
    "delay": 0.0,
    "spread": 0.0,
    "times": None,
    "cut": False,
}


@dataclass(slots=True)
class Rule:
    """The replies of one path, and how many of them each counter has used up."""

    path: str
    per_key: bool
    replies: list[Entry]
    given: dict[str, int] = field(default_factory=dict)

    def matches(self, path: str) -> bool:
        if self.path.endswith("*"):
            return path.startswith(self.path[:-1])
        return path == self.path

    def reply(self, key: str) -> Entry:
        counter = key if self.per_key else ""
        number = self.given.get(counter, 0)
        self.given[counter] = number + 1
        for reply in self.replies:
            if reply["times"] is None or number < reply["times"]:
                return reply
            number -= reply["times"]
        return self.replies[-1] if self.replies else DEFAULT


class Service:
    """Ledger and script; one event loop, so that the ledger is in the order of arrival."""

    def __init__(self) -> None:
        self._ledger: list[Entry] = []
        self._rules: dict[str, Rule] = {}
        self._in_flight: list[str] = []
        self._released = asyncio.Event()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_put("/-/script", self._script)
        application.router.add_get("/-/requests", self._requests)
        application.router.add_get("/-/in-flight", self._count)
        application.router.add_post("/-/release", self._release)
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def _script(self, request: web.Request) -> web.Response:
        rule = await request.json()
        self._rules[rule["path"]] = Rule(**rule)
        return web.json_response(None)

    async def _requests(self, request: web.Request) -> web.Response:
        since = max(int(request.query.get("since", "1")), 1)
        return web.json_response(self._ledger[since - 1 :])

    async def _count(self, _: web.Request) -> web.Response:
        return web.json_response(self._in_flight)  # the paths

    async def _release(self, _: web.Request) -> web.Response:
        self._released.set()
        self._released = asyncio.Event()
        return web.json_response(None)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        arrived = time.time()  # noqa: TID251 - compared with times in histories
        entry = self._written(request, arrived, await request.read())
        self._in_flight.append(entry["path"])
        try:
            return await self._answer(request, entry)
        finally:
            self._in_flight.remove(entry["path"])

    def _written(self, request: web.Request, arrived: float, content: bytes) -> Entry:
        headers = {name.lower(): text for name, text in request.headers.items()}
        body = parsed(content)
        named = body if isinstance(body, dict) else {}
        number = len(self._ledger) + 1
        entry = {
            "n": number,
            "time": arrived,
            "answered": None,
            "remote": request.remote or "",
            "method": request.method,
            "path": request.rel_url.raw_path,
            "query": request.rel_url.raw_query_string,
            "headers": headers,
            "key": headers.get("idempotency-key", ""),
            "attempt": int(headers.get("perdure-attempt", "0")),
            "body": body,
            "uid": str(named.get("uid", "")),
            "step": str(named.get("step", "")),
            "status": 0,
            "token": f"t{number}-{hashlib.sha256(f'{number} {arrived}'.encode()).hexdigest()[:12]}",
        }
        self._ledger.append(entry)
        return entry

    async def _answer(self, request: web.Request, entry: Entry) -> web.StreamResponse:
        rules = [rule for rule in self._rules.values() if rule.matches(entry["path"])]
        rule = max(rules, key=lambda each: len(each.path), default=None)
        reply = DEFAULT if rule is None else rule.reply(entry["key"])
        await self._pass_time(reply["delay"] + reply["spread"] * fraction(entry))
        if reply["cut"]:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        # Written before it is sent: whoever has the answer finds it in the ledger.
        entry["answered"] = time.time()  # noqa: TID251 - as above
        entry["status"] = reply["status"]
        return answer(reply, entry)

    async def _pass_time(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._released.wait()


def answer(reply: Entry, entry: Entry) -> web.Response:
    if reply["text"] is not None:
        return web.Response(
            status=reply["status"], text=reply["text"], headers=reply["headers"] or None
        )
    body = reply["body"]
    if body is None:
        body = {"token": entry["token"], "n": entry["n"]}
    return web.json_response(body, status=reply["status"], headers=reply["headers"])


def fraction(entry: Entry) -> float:
    """Return a number from 0 to 1 that is the same for the same key and attempt."""
    text = f"{entry['key']} {entry['attempt']}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") / 2**32


def parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


async def serve(port: int) -> None:
    runner = web.AppRunner(Service().application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
