"""`perdure lint`: check manifests offline, with every fault and its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from perdure.definitions import manifest_faults
from perdure.engine.faults import Fault


class ManifestLoader(yaml.SafeLoader):
    """Reads as kubectl does: of a value with a tag that nobody knows nothing is left."""


ManifestLoader.add_multi_constructor("!", lambda *_: "")

Files = Annotated[list[str], typer.Argument(help="YAML or JSON files; - is standard input.")]


def lint(files: Files) -> None:
    """Check definitions, instances and events without a cluster.

    Exit status 0: all good. 1: faults were found. 2: a file cannot be read.
    """
    faults = documents = 0
    for name in files:
        for where, manifest in _documents(name):
            documents += 1
            found = manifest_faults(manifest)
            faults += len(found)
            for fault in found:
                print(_shown(where, fault))
    if faults:
        print(f"{_count(faults, 'fault')} in {_count(documents, 'manifest')}", file=sys.stderr)
        sys.exit(1)
    print(f"{_count(documents, 'manifest')} checked, no faults")


def _documents(name: str) -> list[tuple[str, object]]:
    """Return the documents of a file, each with how messages call it."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
        documents = [d for d in yaml.load_all(text, Loader=ManifestLoader) if d is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        print(f"perdure lint: {name} cannot be read: {error}", file=sys.stderr)
        sys.exit(2)
    if not documents:
        print(f"perdure lint: {name} holds no manifest", file=sys.stderr)
        sys.exit(2)
    return [(_title(name, document), document) for document in documents]


def _title(name: str, document: object) -> str:
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        return name
    return f"{name} ({document.get('kind')} {document['metadata'].get('name', '')})"


def _shown(where: str, fault: Fault) -> str:
    return f"{where}: {fault.render()}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
