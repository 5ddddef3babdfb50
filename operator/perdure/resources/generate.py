"""Write the CRDs into a folder: `python -m perdure.resources.generate [--check] [folder]`.

With `--check` nothing is written; the exit status is 1 if a file differs from its model.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from perdure.resources.base import GROUP, VERSION, Rule
from perdure.resources.kinds import CATEGORY, DEFINITION, KINDS, Column, Kind
from perdure.resources.schema import Schema, structural_schema, without_descriptions

HEADER = "# Generated from operator/perdure/resources by `make manifests`. Do not edit.\n"


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind, as plain data."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": _names(kind),
            "versions": [_version(kind)],
        },
    }


def crd_yaml(kind: Kind) -> str:
    """Return the text of the file of a kind."""
    return HEADER + yaml.safe_dump(
        crd(kind), sort_keys=False, width=100, allow_unicode=True, default_flow_style=False
    )


def write_crds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in _files(folder):
        path.write_text(text, encoding="utf-8")


def stale_crds(folder: Path) -> list[Path]:
    """Return the files in the folder that differ from what the models say now, or are missing."""
    return [
        path
        for path, text in _files(folder)
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for kind in KINDS.values():
        yield folder / f"{kind.plural}.{GROUP}.yaml", crd_yaml(kind)


def _names(kind: Kind) -> dict[str, Any]:
    names: dict[str, Any] = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.singular,
        "shortNames": [kind.short],
    }
    return names | ({"categories": [CATEGORY]} if kind.is_for_people else {})


def _version(kind: Kind) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root(kind)},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    if kind.status is not None:
        version["subresources"] = {"status": {}}
    return version


def _column(column: Column) -> dict[str, Any]:
    result: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return result | ({"priority": 1} if column.is_wide else {})


def _root(kind: Kind) -> Schema:
    spec = structural_schema(kind.spec) | {"description": kind.spec_description}
    if kind is DEFINITION:
        spec = _described_once(spec)
    properties: Schema = {
        "apiVersion": {"type": "string", "description": "perdure.dev/v1alpha1"},
        "kind": {"type": "string", "description": kind.kind},
        "metadata": {"type": "object"},
        "spec": spec,
    }
    if kind.status is not None:
        properties["status"] = structural_schema(kind.status) | {
            "description": "How it is. Written by the operator."
        }
    root: Schema = {
        "description": kind.description,
        "type": "object",
        "required": ["spec"],
        "properties": properties,
    }
    rules = _cel(kind.rules)
    return root | ({"x-kubernetes-validations": rules} if rules else {})


def _described_once(spec: Schema) -> Schema:
    """Drop the descriptions below the steps of flows: they repeat those of the main flow."""
    flow = spec["properties"]["flows"]["items"]
    steps = flow["properties"]["steps"]
    steps["items"] = without_descriptions(steps["items"])
    return spec


def _cel(rules: Sequence[Rule]) -> list[dict[str, str]]:
    return [{"rule": rule.cel, "message": rule.message} for rule in rules if rule.cel is not None]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m perdure.resources.generate", description="Write the CRDs into a folder."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("crds"))
    parser.add_argument("--check", action="store_true", help="write nothing, report differences")
    options = parser.parse_args(arguments)
    if not options.check:
        write_crds(options.folder)
        return 0
    stale = stale_crds(options.folder)
    for path in stale:
        sys.stderr.write(f"{path} differs from the models: run `make manifests`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
