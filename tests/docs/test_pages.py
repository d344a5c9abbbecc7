"""Every Python block of the manual and of the README runs, page by page, top to bottom."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

import postgres
from warm_python import WarmPython, warm_python

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"^<!-- needs ([\w ]+) -->$", re.MULTILINE)
"""How a page names packages that `make test` does not install."""


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return (line number, code) of each Python block."""
    text = page.read_text()
    return [(text[: m.start(1)].count("\n"), m[1]) for m in FENCE.finditer(text)]


def lacking(text: str) -> list[str]:
    """Return the packages that a page says it needs and that are not installed."""
    return [name for line in NEEDS.findall(text) for name in line.split() if not find_spec(name)]


ELSEWHERE = ROOT / "docs" / "catalog" / "tutorial.md"
"""Its blocks need each other and a service: `test_catalog_tutorial.py` runs them."""
PAGES = [
    p
    for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if p != ELSEWHERE and blocks(p)
]


COLD = ROOT / "README.md"
"""The page that begins with nothing imported: most take less time than their imports."""
LIBRARIES = (
    "pandas",
    "sklearn.linear_model",
    "hydra_zen",
    "hamilton.driver",
    "flexlock",
    "deriva_catalog.bag.export",
    "deriva_catalog.bag.index",
    "deriva_catalog.catalog.local",
    "deriva_catalog.catalog.remote",
    "deriva_catalog.engine.sqlite.storage",
    "deriva_ml.dataset.bag",
    "deriva_ml.dataset.download",
    "deriva_ml.dataset.split",
    "deriva_ml.demo_catalog",
    "deriva_ml.execution.commit",
    "deriva_ml.execution.runner",
    "deriva_ml.execution.sweep",
)
"""What several of the other pages import."""
OURS = {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "Agg"}


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPython]:
    place = tmp_path_factory.mktemp("pages") / "start"
    place.mkdir()
    with warm_python(place, {**os.environ, **OURS}, LIBRARIES) as ready:
        yield ready


def cold(script: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=script.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_blocks_run(page: Path, warm: WarmPython, tmp_path: Path) -> None:
    if absent := lacking(page.read_text()):
        pytest.skip(f"not installed: {', '.join(absent)}")
    # A process for each page; blank lines keep the page's line numbers.
    source = ""
    for line, code in blocks(page):
        source += "\n" * (line - source.count("\n")) + code
    script = tmp_path / f"{page.stem}_page.py"
    script.write_text(source)
    environment = {
        **os.environ,
        **OURS,
        "DERIVA_ML_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }
    with ExitStack() as stack:
        if "LAB_DATABASE" in source:
            environment["LAB_DATABASE"] = stack.enter_context(postgres.database()).url
        if page == COLD:
            done = cold(script, environment)
        else:
            line = f"python {shlex.quote(str(script))}"
            done = warm.run(line, limit_s=300, directory=tmp_path, environment=environment)
    assert done.returncode == 0, f"{page}:\n{done.stderr[-4000:]}"


def test_a_page_says_which_packages_it_needs() -> None:
    assert lacking("# A\n\n<!-- needs pytest no_such_package -->\n") == ["no_such_package"]
    assert NEEDS.findall((ROOT / "docs" / "ml" / "training.md").read_text()) == ["torch"]
