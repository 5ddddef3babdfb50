"""Answers as the server gives them: with the time, and a Status where something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

import orjson

from perdure.engine.values import JsonObject
from perdure.testing.apiserver.kinds import Kind
from perdure.testing.apiserver.messages import JSON, Answer
from perdure.testing.apiserver.refusals import Refusal

TEXT = "text/plain; charset=utf-8"


class Answers:
    """Makes answers; `now` is the server's clock, aware UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._second: datetime | None = None
        self._date = ""

    def of(self, status: int, content: bytes, media: str = JSON) -> Answer:
        return Answer(status, {"Date": self._today(), "Content-Type": media}, content)

    def refusal(self, refusal: Refusal) -> Answer:
        answer = self.of(refusal.code, orjson.dumps(refusal.as_json()))
        if refusal.retry_after is not None:
            answer.headers["Retry-After"] = str(refusal.retry_after)
        return answer

    def no_page(self) -> Answer:
        """Return what a path gets that is none of the API."""
        return self.of(404, b"404 page not found\n", TEXT)

    def deleted(self, kind: Kind, metadata: JsonObject) -> Answer:
        """Return the Status of an object that is gone."""
        parts: JsonObject = {"name": metadata["name"], "group": kind.group, "kind": kind.plural}
        details = {key: value for key, value in parts.items() if value}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return self.of(
            200, orjson.dumps({**status, "details": {**details, "uid": metadata["uid"]}})
        )

    def _today(self) -> str:
        second = self._now().replace(microsecond=0)
        if second != self._second:
            self._second, self._date = second, format_datetime(second, usegmt=True)
        return self._date
