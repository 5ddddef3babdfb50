from __future__ import annotations

import json
from pathlib import Path

from tests.simulation.total import OFTEN, applicable_cells, total


def test_reports_add_up_and_what_they_left_rare_is_named(tmp_path: Path) -> None:
    often = {" ".join(cell): OFTEN for cell in applicable_cells()}
    once = {"F1 C4": 1, "F8 C5": 1}
    (tmp_path / "a.json").write_text(json.dumps({"runs": 5, "cells": {**often, "F8 C5": 1}}))
    (tmp_path / "b.json").write_text(json.dumps({"runs": 2, "elapsed": 0.7, "cells": once}))

    found = total(sorted(tmp_path.glob("*.json")))

    assert found.figures["runs"] == 7
    assert found.cells["F1", "C4"] == OFTEN + 1
    assert found.rare() == {("F8", "C5"): 2}


def test_what_cannot_strike_is_no_cell() -> None:
    cells = applicable_cells()

    assert ("F2", "C4") in cells
    assert ("F2", "C3") not in cells, "nothing is applied by a read"
    assert ("F1", "C15") not in cells, "users do not crash"
    assert ("F8", "C4") not in cells, "only created objects find their name taken"
