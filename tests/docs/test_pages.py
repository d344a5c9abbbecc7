"""Every Python block of the manual and of the README runs, page by page, top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import postgres

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return (line number, code) of each Python block."""
    text = page.read_text()
    return [(text[: m.start(1)].count("\n"), m[1]) for m in FENCE.finditer(text)]


ELSEWHERE = ROOT / "docs" / "catalog" / "tutorial.md"
"""Its blocks need each other and a service: `test_catalog_tutorial.py` runs them."""
PAGES = [
    p
    for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if p != ELSEWHERE and blocks(p)
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    # One fresh process a page, as a reader would; blank lines keep the page's line numbers.
    source = ""
    for line, code in blocks(page):
        source += "\n" * (line - source.count("\n")) + code
    script = tmp_path / f"{page.stem}_page.py"
    script.write_text(source)
    environment = {
        **os.environ,
        "DERIVA_ML_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT / "src"),
        "MPLBACKEND": "Agg",
    }
    with ExitStack() as stack:
        if "LAB_DATABASE" in source:
            environment["LAB_DATABASE"] = stack.enter_context(postgres.database()).url
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, f"{page}:\n{done.stderr[-4000:]}"
