"""What all tests share."""

import pytest

pytest_plugins = ["tests.cluster.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden transcripts be written anew: look at the difference before it is committed."""
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write golden transcripts and histories anew"
    )
