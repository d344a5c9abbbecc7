"""Notebooks can be given parameters, and are committed without outputs."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_a_cell_is_tagged_parameters(path: Path) -> None:
    cells = json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]
    assert [c for c in cells if "parameters" in c["metadata"].get("tags", [])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_what_is_committed_has_no_outputs(path: Path) -> None:
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{path.as_posix()}"], cwd=ROOT, capture_output=True, check=False
    )
    if committed.returncode:
        pytest.skip("the notebook is not committed")
    for cell in json.loads(committed.stdout)["cells"]:
        assert not cell.get("outputs"), "see 'Notebooks and git' in README.md"
