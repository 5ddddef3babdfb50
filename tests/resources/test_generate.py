"""The CRDs in `crds/` are what the models say, small enough, and described."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, Field

from perdure.resources.generate import crd, crd_yaml, main, stale_crds
from perdure.resources.kinds import DEFINITION, INSTANCE, KINDS, Kind
from perdure.resources.schema import NotStructuralError, Schema, structural_schema

CRDS = Path(__file__).parents[2] / "crds"
MAX_BYTES = 200 * 1024  # client-side apply keeps a copy in an annotation of at most 256 KiB


def schema_of(kind: Kind) -> Schema:
    schema: Schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every node with its path; the items of a list have `[]`."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def test_the_committed_files_are_current() -> None:
    assert stale_crds(CRDS) == []
    assert len(list(CRDS.glob("*.yaml"))) == len(KINDS)


def test_check_tells_a_stale_or_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    stale = next(iter(sorted(tmp_path.iterdir())))
    stale.write_text("changed")
    assert main(["--check", str(tmp_path)]) == 1
    assert stale.name in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_crd_is_small_enough_for_client_side_apply(kind: Kind) -> None:
    assert len(json.dumps(yaml.safe_load(crd_yaml(kind)))) <= MAX_BYTES


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_is_described_once(kind: Kind) -> None:
    repeated = "spec.flows[].steps[]."
    for path, node in nodes(schema_of(kind)):
        is_field = path and not path.endswith("[]") and path != "metadata"
        if is_field and not path.startswith(repeated):
            assert node.get("description"), path
        else:
            assert "description" not in node or not path, path


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_node_has_one_type_or_keeps_what_it_does_not_know(kind: Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        assert not {"anyOf", "oneOf", "allOf", "$ref", "title"} & node.keys(), path
        assert "type" in node or node["x-kubernetes-preserve-unknown-fields"], path


def test_every_list_but_the_events_of_an_instance_is_atomic() -> None:
    for kind in KINDS.values():
        for path, node in nodes(schema_of(kind)):
            if node.get("type") == "array":
                is_merged = kind is INSTANCE and path == "spec.events"
                assert node["x-kubernetes-list-type"] == ("map" if is_merged else "atomic"), path


def test_nothing_inside_a_list_that_a_user_owns_is_filled_in() -> None:
    assert [path for path, node in nodes(schema_of(DEFINITION)) if "default" in node] == []


def test_the_only_defaults_are_those_that_patches_need() -> None:
    found = {
        path: node["default"] for path, node in nodes(schema_of(INSTANCE)) if "default" in node
    }
    assert found == {"spec.suspend": False, "spec.events": []}


def test_every_rule_has_a_message_that_fits() -> None:
    for kind in KINDS.values():
        for path, node in nodes(schema_of(kind)):
            for rule in node.get("x-kubernetes-validations", ()):
                assert 20 < len(rule["message"]) <= 2048, path
                assert "\n" not in rule["message"], path


def test_the_steps_of_flows_are_those_of_the_main_flow() -> None:
    def shape(prefix: str) -> dict[str, Any]:
        return {
            path.removeprefix(prefix): {
                key: value
                for key, value in node.items()
                if key not in ("description", "properties", "items")
            }
            for path, node in nodes(schema_of(DEFINITION))
            if path.startswith(prefix)
        }

    assert shape("spec.flows[].steps[]") == shape("spec.steps[]")


class Endless(BaseModel):
    again: "Endless | None" = None


class Union(BaseModel):
    either: Annotated[str, Field(max_length=1)] | bool


class Unbounded(BaseModel):
    text: str


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Endless, "Endless contains itself"),
        (Union, "a union of 2 types"),
        (Unbounded, "Unbounded.text: a string needs a maximum length"),
    ],
)
def test_what_a_structural_schema_cannot_say_is_refused(model: type[BaseModel], words: str) -> None:
    with pytest.raises(NotStructuralError, match=words):
        structural_schema(model)
