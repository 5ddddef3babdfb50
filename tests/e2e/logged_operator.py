"""`perdure operator` with its turns in the log, which no flag of the product sets yet.

`python -m tests.e2e.logged_operator operator …`: PERDURE_TEST_LANES says how many lanes.
"""

from __future__ import annotations

import os
from dataclasses import replace

from perdure import app
from perdure.cli.main import main
from perdure.settings import OperatorSettings

LANES = "PERDURE_TEST_LANES"


def with_lanes() -> None:
    """Let every operator of this process keep its turns in a log."""
    run = app.run_operator

    async def run_logged(settings: OperatorSettings) -> int:
        return await run(replace(settings, lanes=int(os.environ[LANES])))

    app.run_operator = run_logged


if __name__ == "__main__":
    with_lanes()
    main()
