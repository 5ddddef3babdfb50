"""That no rule of our CRDs is forgotten in the server in memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from perdure.testing.apiserver.rules import RULES

CRDS = Path(__file__).parents[3] / "crds"


def rules_below(schema: Any) -> Iterator[str]:
    """Yield the text of every rule anywhere in a schema."""
    if isinstance(schema, Mapping):
        for rule in schema.get("x-kubernetes-validations", ()):
            yield rule["rule"]
        for part in schema.values():
            yield from rules_below(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from rules_below(part)


def rules_of_crds() -> set[str]:
    paths = sorted(CRDS.glob("*.yaml"))
    assert len(paths) == 5, paths
    return {rule for path in paths for rule in rules_below(yaml.safe_load(path.read_text()))}


def test_every_rule_of_a_crd_is_implemented_and_no_other() -> None:
    assert set(RULES) == rules_of_crds()
