"""Lists in pages."""

import base64

from tests.contract.api_server.port import Result
from tests.contract.api_server.space import INSTANCES, PERDURE, Space


def following(space: Space, page: Result, **params: str) -> Result:
    return space.list(**{"continue": page.metadata["continue"]}, **params)


def test_pages_add_up_to_the_list(filled: Space) -> None:
    first = filled.list(limit="2")
    second = following(filled, first, limit="2")
    third = following(filled, second, limit="2")
    assert [first.names, second.names, third.names] == [["i0", "i1"], ["i2", "i3"], ["i4"]]
    remaining = [page.metadata.get("remainingItemCount") for page in (first, second, third)]
    assert remaining == [3, 1, None]
    assert third.metadata["continue"] == ""


def test_pages_are_as_of_the_first(filled: Space) -> None:
    first = filled.list(limit="2")
    filled.create("i11")
    filled.delete("i3")
    filled.status("i2", rev=7)
    rest = following(filled, first)
    assert rest.names == ["i2", "i3", "i4"]
    assert "status" not in rest.body["items"][0]
    assert rest.version == first.version


def test_a_page_that_holds_everything_is_the_last(filled: Space) -> None:
    assert filled.list(limit="5").metadata["continue"] == ""


def test_no_limit_is_none(filled: Space) -> None:
    assert len(filled.list(limit="0").names) == 5


def test_pages_go_by_what_matches_and_do_not_say_how_much_is_left(filled: Space) -> None:
    first = filled.list(limit="2", labelSelector="n")
    assert first.names == ["i0", "i1"]
    assert "remainingItemCount" not in first.metadata
    second = following(filled, first, limit="2", labelSelector="n")
    assert second.names == ["i2", "i3"]
    # There is one more object, and only reading it shows that it does not match.
    assert following(filled, second, limit="2", labelSelector="n").names == []


def test_pages_of_all_namespaces_go_on_across_them(filled: Space) -> None:
    path = f"{PERDURE}/{INSTANCES}"
    names: list[str] = []
    token = ""
    while True:
        params = {"limit": "7", **({"continue": token} if token else {})}
        page = filled.server.call("GET", path, **params)
        names += [
            f"{each['metadata']['namespace']}/{each['metadata']['name']}"
            for each in page.body["items"]
        ]
        token = page.metadata["continue"]
        if not token:
            break
    assert names == sorted(set(names))
    assert [name for name in names if name.startswith(f"{filled.name}/")] == [
        f"{filled.name}/i{number}" for number in range(5)
    ]


def test_a_token_says_where_to_go_on(filled: Space) -> None:
    page = filled.list(limit="2")
    token = page.metadata["continue"]
    content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert content == f'{{"v":"meta.k8s.io/v1","rv":{page.version},"start":"/i1\\u0000"}}'


def test_a_made_up_token_is_refused(space: Space) -> None:
    result = space.list(**{"continue": "bogus"})
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message.startswith("invalid continue token: continue key is not valid: ")


def test_a_token_does_not_go_with_a_version(filled: Space) -> None:
    page = filled.list(limit="2")
    result = following(filled, page, resourceVersion="5")
    assert (result.status, result.reason) == (400, "BadRequest")
    assert result.message == "specifying resource version is not allowed when using continue"


def test_a_limit_is_a_number(space: Space) -> None:
    result = space.list(limit="x")
    assert (result.status, result.message) == (400, 'strconv.ParseInt: parsing "x": invalid syntax')
