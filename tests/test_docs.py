"""Documents hold together: what links to a file or heading finds it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from perdure.controller.metrics import COUNTERS, GAUGES, HISTOGRAMS
from perdure.resources.kinds import KINDS

ROOT = Path(__file__).parents[1]
OWN = ("operator", "tests", "examples", "crds", "docs")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
SOURCES = [
    path
    for folder in OWN
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".yaml", ".go") and path.is_file()
]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# `docs/…` with something before it is the path of somebody else's page.
CITATION = re.compile(r"(?<![\w/.-])docs/[\w./-]+\.md(?:#[\w-]+)?")
MAKE_COMMAND = re.compile(r"(?<=`)make ([a-z][a-z-]*)")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(path: Path) -> set[str]:
    """Return the anchors of a page, as they are made from its headings."""
    titles = re.findall(r"^#+ (.+)$", without_code(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def missing(target: str, base: Path) -> str | None:
    """Return why a link leads nowhere, None if it leads somewhere."""
    name, _, heading = target.partition("#")
    path = (base / name).resolve() if name else base
    if not path.exists():
        return f"{target}: there is no {path.name}"
    if heading and heading not in headings(path):
        return f"{target}: {path.name} has no heading #{heading}"
    return None


def links(page: Path) -> Iterator[str]:
    for target in LINK.findall(without_code(page.read_text())):
        if "://" not in target:
            yield target


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    faults = [
        missing(target, page if target.startswith("#") else page.parent) for target in links(page)
    ]
    assert [fault for fault in faults if fault] == []


def test_every_page_that_the_sources_cite_exists_with_its_heading() -> None:
    faults = []
    for source in SOURCES:
        for target in CITATION.findall(source.read_text()):
            fault = missing(target, ROOT)
            if fault:
                faults.append(f"{shown(source)} cites {fault}")
    assert faults == []


def test_every_page_below_docs_is_linked_from_another() -> None:
    targets = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
    }
    folders = {path for path in targets if path.is_dir()} - {ROOT / "docs"}
    alone = [p for p in PAGES if p.is_relative_to(ROOT / "docs") and p not in targets]
    assert [shown(p) for p in alone if not folders & set(p.parents)] == []


def test_every_command_that_the_pages_name_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in MAKE_COMMAND.findall(page.read_text())}
    assert named <= targets


def test_the_reference_names_every_metric_and_no_other() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    tables = [*COUNTERS, *GAUGES, *HISTOGRAMS, "build_info"]
    assert set(re.findall(r"`perdure_(\w+)`", page)) == set(tables)


def test_the_reference_names_every_flag_of_the_operator_and_no_other() -> None:
    from perdure.cli.main import app

    command = get_command(app).commands["operator"]  # type: ignore[attr-defined]
    flags = {option for parameter in command.params for option in parameter.opts}
    page = (ROOT / "docs/reference/operator.md").read_text()
    assert set(re.findall(r"`(--[a-z-]+)`", page)) == flags - {"--help"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page(kind: str) -> None:
    assert (ROOT / f"docs/reference/{kind.lower()}.md").is_file()
