"""Reading the corpus: manifests that are wrong, each with what its author is told.

A file `NNN-name.yaml` begins with comments:

    # expect: apply          the API server refuses it; the lines say what its answer holds
    # > spec.steps[0].http: Invalid value: set exactly one of service and url
    # offline:               then all that `perdure lint` says, line by line
    # > spec.steps[0].http: set exactly one of service and url

    # expect: faults         the API server takes it; `perdure lint` and the operator find these
    # > spec.steps[0].when: input has no property "amout"; did you mean "amount"?
    # >   input.amout > 10
    # >         ^

    # expect: lint           only `perdure lint` says it: the API server drops it without a word
    # > spec.steps[0].timeout: is null, which says nothing

Of several documents each follows upon the one before, as a change of the same object, and the
last one is what is wrong. A document with a status is written to the status by an administrator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perdure.cli.lint import ManifestLoader

FOLDER = Path(__file__).parent
SAID = "# > "
APPLY, FAULTS, LINT = "expect: apply", "expect: faults", "expect: lint"
OFFLINE = (FAULTS, LINT, "offline:")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WrongManifest:
    """One file. `refusal` is what the API server says, empty where it takes the manifest."""

    path: Path
    documents: tuple[Manifest, ...]
    refusal: tuple[str, ...]
    faults: tuple[str, ...]
    """The lines of all faults that are found without a cluster."""
    is_dropped: bool
    """Whether the API server drops what is wrong, so that nobody else can see it."""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def last(self) -> Manifest:
        return self.documents[-1]

    @property
    def is_change(self) -> bool:
        return len(self.documents) > 1


def read_corpus() -> list[WrongManifest]:
    return [read(path) for path in sorted(FOLDER.glob("[0-9]*.yaml"))]


def read(path: Path) -> WrongManifest:
    text = path.read_text()
    said: dict[str, list[str]] = {heading: [] for heading in (APPLY, *OFFLINE)}
    for heading, line in comments(text):
        said[heading].append(line)
    return WrongManifest(
        path=path,
        documents=tuple(yaml.load_all(text, Loader=ManifestLoader)),
        refusal=tuple(said[APPLY]),
        faults=tuple(line for heading in OFFLINE for line in said[heading]),
        is_dropped=bool(said[LINT]),
    )


def comments(text: str) -> Iterator[tuple[str, str]]:
    """Yield what the comments say, each line with its heading."""
    heading = ""
    for line in text.splitlines():
        if not line.startswith("# "):
            return
        if line.startswith(SAID):
            yield heading, line.removeprefix(SAID)
        else:
            heading = line.removeprefix("# ")
