"""Reading long lists page by page.

Never with resourceVersion=0: that may answer from a cache that lags behind, and go back in time
after a restart. Without one the answer is as of now. Source:
https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from perdure.engine.values import JsonObject
from perdure.errors import TransientError
from perdure.kubernetes.client import ApiClient
from perdure.kubernetes.responses import error_of
from perdure.ports import Resource

MOST_ITEMS = 500
FIRST_ITEMS = 100  # until their size is known
FEWEST_ITEMS = 20
PAGE_BYTES = 2**21  # parsed in some 10 ms, in which the loop does nothing else


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list, and the version at which the whole list was read."""

    items: list[JsonObject]
    version: int


async def pages(
    client: ApiClient,
    resource: Resource,
    path: str,
    params: Mapping[str, str],
    *,
    is_urgent: bool = False,
) -> AsyncGenerator[Page, None]:
    """Yield the pages of one consistent list; items have apiVersion and kind.

    Raises TransientError, ThrottledError, and ObjectError: with status 410 if the list took so
    long that the server has forgotten its version, and has to be begun anew.
    """
    query = {**params, "limit": str(FIRST_ITEMS)}
    while True:
        response = await client.request("GET", path, params=query, is_urgent=is_urgent)
        if not response.is_success:
            raise error_of(response, f"list {path}")
        page, token = parse(response.body, resource, path)
        yield page
        if not token:
            return
        query["limit"] = str(next_limit(len(page.items), len(response.body)))
        query["continue"] = token


def parse(body: bytes, resource: Resource, path: str) -> tuple[Page, str]:
    """Return a page and the token of the next one, "" where it is the last."""
    try:
        answer = orjson.loads(body)
        metadata = answer["metadata"]
        items = cast("list[JsonObject]", answer.get("items") or [])
        page = Page(items, int(metadata["resourceVersion"]))
        for item in items:
            name_kind(item, resource)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TransientError(f"list {path}: the answer is not a list: {error!r}") from error
    return page, str(metadata.get("continue") or "")


def name_kind(item: JsonObject, resource: Resource) -> None:
    """Add what the items of a list of a built-in kind lack."""
    group = f"{resource.group}/" if resource.group else ""
    item.setdefault("apiVersion", f"{group}{resource.version}")
    item.setdefault("kind", resource.kind)


def next_limit(items: int, size: int) -> int:
    """Return how many items a page may have so that it is about PAGE_BYTES long."""
    return max(FEWEST_ITEMS, min(MOST_ITEMS, PAGE_BYTES * items // max(size, 1)))
