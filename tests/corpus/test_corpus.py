"""Every wrong manifest of the corpus is told to its author, by the API server or the operator."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.cluster.api import Api, Object
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ApiError
from tests.corpus.wrong import Manifest, WrongManifest, read_corpus
from tests.e2e.operators import OperatorProcess

from perdure.definitions import manifest_faults
from perdure.resources.base import API_VERSION
from perdure.resources.kinds import KINDS

CORPUS = read_corpus()
REFUSED = [wrong for wrong in CORPUS if wrong.refusal]
TAKEN = [wrong for wrong in CORPUS if not wrong.refusal]
NAMESPACE = "corpus"
CHECKED_SECONDS = 60.0


def by_name(wrong: WrongManifest) -> str:
    return wrong.name


# --- without a cluster --------------------------------------------------------------------


def test_the_corpus_is_large_and_covers_all_kinds() -> None:
    assert len(CORPUS) >= 85
    assert {wrong.last["kind"] for wrong in CORPUS} == set(KINDS)
    numbers = [int(wrong.name.partition("-")[0]) for wrong in CORPUS]
    assert numbers == list(range(1, len(CORPUS) + 1))


@pytest.mark.parametrize("wrong", CORPUS, ids=by_name)
def test_exactly_the_expected_faults_are_found_offline(wrong: WrongManifest) -> None:
    found = [line for fault in manifest_faults(wrong.last) for line in fault.render().split("\n")]
    assert found == list(wrong.faults)


@pytest.mark.parametrize("wrong", REFUSED, ids=by_name)
def test_what_the_server_refuses_is_found_offline_too(wrong: WrongManifest) -> None:
    """The one exception: what is wrong only beside the object before the change.

    Each document is a good one by itself there; nobody who sees but the last can object.
    """
    assert bool(wrong.faults) is not wrong.is_change


def test_lint_prints_every_fault_and_fails() -> None:
    files = [str(wrong.path) for wrong in CORPUS if wrong.faults]
    command = [sys.executable, "-m", "perdure", "lint", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    printed = done.stdout.splitlines()
    for wrong in CORPUS:
        for line in wrong.faults:
            assert any(each.endswith(line) for each in printed), f"{wrong.name}: {line}"


# --- with one -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object of the corpus goes."""

    manifest: Manifest

    @property
    def collection(self) -> str:
        plural = KINDS[self.manifest["kind"]].plural
        return f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/{plural}"

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.manifest['metadata']['name']}"


async def apply(api: Api, document: Manifest, before: Object | None) -> Object:
    """Create, or change, as strictly as kubectl asks for; return the object."""
    place = Place(document)
    if before is None:
        found = await api.create(place.collection, document, fieldValidation="Strict")
    elif "status" in document:
        found = before
    else:
        version = before["metadata"]["resourceVersion"]
        changed = document | {"metadata": document["metadata"] | {"resourceVersion": version}}
        found = await api.replace(place.path, changed, fieldValidation="Strict")
    if "status" not in document:
        return found
    written = {key: value for key, value in found.items() if key != "status"}
    if document["status"] is not None:
        written["status"] = document["status"]
    return await api.replace(f"{place.path}/status", written)


@pytest.fixture(scope="module")
def corpus_namespace(cluster: Cluster) -> Iterator[str]:
    cluster.create_namespace(NAMESPACE)
    yield NAMESPACE
    cluster.delete_namespace(NAMESPACE)


@pytest.mark.cluster
@pytest.mark.usefixtures("corpus_namespace")
@pytest.mark.parametrize("wrong", REFUSED, ids=by_name)
async def test_the_server_refuses_it_and_says_why(wrong: WrongManifest, api: Api) -> None:
    before: Object | None = None
    for document in wrong.documents[:-1]:
        before = await apply(api, document, before)

    with pytest.raises(ApiError) as caught:
        await apply(api, wrong.last, before)

    assert caught.value.status in (400, 422)
    for words in wrong.refusal:
        assert words in caught.value.message


@pytest.mark.cluster
async def test_the_operator_shows_every_other_fault_with_path_and_caret(
    cluster: Cluster, corpus_namespace: str, api: Api
) -> None:
    with OperatorProcess(cluster, "corpus", namespaces=[corpus_namespace]):
        # Given an operator, when definitions are applied that the server cannot see through,
        for wrong in TAKEN:
            await apply(api, wrong.last, None)

        # then each shows what lint says, and is not Ready; but for what the server dropped.
        for wrong in TAKEN:
            found = await api.wait_for(
                Place(wrong.last).path, is_checked, f"{wrong.name} to be checked", CHECKED_SECONDS
            )
            assert found is not None
            if wrong.is_dropped:
                assert found["status"]["conditions"][0]["status"] == "True"
            else:
                assert_told(wrong, found["status"])


def is_checked(found: Object | None) -> bool:
    assert found is not None, "nobody deletes definitions"
    return bool(found.get("status", {}).get("observedGeneration") == 1)


def assert_told(wrong: WrongManifest, status: Object) -> None:
    (ready,) = status["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "False", "Faults")
    number, *lines = ready["message"].split("\n")
    assert lines == list(wrong.faults), wrong.name
    faults = manifest_faults(wrong.last)
    assert number == ("1 fault:" if len(faults) == 1 else f"{len(faults)} faults:")
    assert [
        (fault["path"], fault["message"], fault.get("column"), fault.get("hint"))
        for fault in status["faults"]
    ] == [(fault.path, fault.message, fault.column, fault.hint) for fault in faults]
    assert "revision" not in status
