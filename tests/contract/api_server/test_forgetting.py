"""What is left of the past once it was compacted; last, as it restarts the real server."""

from tests.contract.api_server.space import Space


def test_what_asks_for_the_forgotten_past_gets_410(space: Space) -> None:
    # Given a list of which the first page was read, and changes after it,
    for name in ("a", "b", "c"):
        space.create(name)
    page = space.list(limit="2")
    old, token = str(page.version), page.metadata["continue"]
    space.delete("a")
    newest = space.create("d")

    # when the server forgets,
    space.server.forget_history()

    # then neither the list nor a watch can go on,
    for params in ({"continue": token}, {"resourceVersion": old, "resourceVersionMatch": "Exact"}):
        result = space.list(**params)
        assert (result.status, result.reason) == (410, "Expired"), result.text
    ((kind, status),) = space.server.all_events(space.path(), 1, resourceVersion=old)
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {old} (")

    # and the present is all there, versions included.
    assert space.list().names == ["b", "c", "d"]
    assert space.get("d").body == newest.body
    changed = space.merge("d", {"spec": {"suspend": True}})
    assert changed.version > newest.version
