"""Owners and the garbage collector.

With ConfigMaps, of which the collector of a real cluster knows from its start; it takes half a
minute to find the kinds of a CRD.
"""

from collections.abc import Callable

from tests.contract.api_server.port import Body, Result
from tests.contract.api_server.space import Space, owner

MAPS = "configmaps"
BACKGROUND = {"propagationPolicy": "Background"}


def create(space: Space, name: str, *owners: Body, **metadata: object) -> Result:
    body = {"metadata": {"name": name, "ownerReferences": list(owners), **metadata}}
    result = space.post(body, MAPS)
    assert result.status == 201, result.text
    return result


def gone(space: Space, name: str) -> Callable[[], bool]:
    return lambda: space.is_gone(name, MAPS)


def wait(space: Space, name: str) -> None:
    space.server.eventually(gone(space, name), f"{name} is gone")


def test_what_belonged_to_a_deleted_object_is_collected(space: Space) -> None:
    parent = create(space, "parent")
    create(space, "child", owner(parent))
    space.delete("parent", BACKGROUND, MAPS)
    wait(space, "child")


def test_grandchildren_are_collected_too(space: Space) -> None:
    parent = create(space, "parent")
    child = create(space, "child", owner(parent))
    create(space, "grandchild", owner(child))
    space.delete("parent", BACKGROUND, MAPS)
    wait(space, "grandchild")


def test_an_owner_is_told_by_its_uid(space: Space) -> None:
    parent = create(space, "parent")
    create(space, "impostor", {**owner(parent), "uid": "00000000-0000-4000-8000-00000000ffff"})
    create(space, "child", owner(parent))
    wait(space, "impostor")
    assert space.get("child", MAPS).status == 200


def test_another_object_of_the_name_of_an_owner_is_none(space: Space) -> None:
    parent = create(space, "parent")
    space.delete("parent", BACKGROUND, MAPS)
    create(space, "parent")
    create(space, "child", owner(parent))
    wait(space, "child")
    assert space.get("parent", MAPS).status == 200


def test_one_owner_of_two_is_enough(space: Space) -> None:
    first, second = create(space, "first"), create(space, "second")
    create(space, "child", owner(first), owner(second))
    space.delete("first", BACKGROUND, MAPS)

    def is_forgotten() -> bool:
        return bool(space.get("child", MAPS).metadata["ownerReferences"] == [owner(second)])

    space.server.eventually(is_forgotten, "the child has forgotten its first owner")


def test_orphans_stay_and_forget_their_owner(space: Space) -> None:
    parent = create(space, "parent")
    create(space, "child", owner(parent))
    result = space.delete("parent", {"propagationPolicy": "Orphan"}, MAPS)
    assert result.metadata["finalizers"] == ["orphan"]
    wait(space, "parent")
    assert "ownerReferences" not in space.get("child", MAPS).metadata


def test_a_deletion_in_the_foreground_waits_for_dependents(space: Space) -> None:
    parent = create(space, "parent")
    create(space, "child", owner(parent, blockOwnerDeletion=True))
    result = space.delete("parent", {"propagationPolicy": "Foreground"}, MAPS)
    assert result.metadata["finalizers"] == ["foregroundDeletion"]
    wait(space, "parent")
    assert space.is_gone("child", MAPS)


def test_collected_objects_keep_to_their_finalizers(space: Space) -> None:
    parent = create(space, "parent")
    create(space, "child", owner(parent), finalizers=["example.com/one"])
    space.delete("parent", BACKGROUND, MAPS)
    space.server.eventually(
        lambda: "deletionTimestamp" in space.get("child", MAPS).metadata,
        "the child is being deleted",
    )
    space.merge("child", {"metadata": {"finalizers": None}}, MAPS)
    assert space.is_gone("child", MAPS)
