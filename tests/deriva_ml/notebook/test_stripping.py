"""Whether git strips notebooks: with real repositories and the real filter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml.notebook.stripping import stripping_problem

NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(repository: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=repository, check=True, capture_output=True)


def test_the_filter_has_to_be_there_and_to_work(tmp_path: Path) -> None:
    notebook = tmp_path / "in it" / "look.ipynb"
    notebook.parent.mkdir()
    notebook.write_text(NOTEBOOK)
    assert stripping_problem(notebook) is None  # no repository, nothing is committed
    git(tmp_path, "init", "-q")
    problem = stripping_problem(notebook)
    assert problem is not None
    assert "no filter" in problem
    assert problem.endswith("nbstripout --install")

    (tmp_path / ".gitattributes").write_text("*.ipynb filter=nbstripout\n")
    assert "this clone does not have" in str(stripping_problem(notebook))

    git(tmp_path, "config", "filter.nbstripout.clean", "a-program-that-is-absent")
    assert "does not strip outputs" in str(stripping_problem(notebook))
    git(tmp_path, "config", "filter.nbstripout.clean", "cat")
    assert "its command is 'cat'" in str(stripping_problem(notebook))
    git(tmp_path, "config", "filter.nbstripout.clean", "tr a b")  # as one that reformats
    assert "its command is 'tr a b'" in str(stripping_problem(notebook))

    subprocess.run([sys.executable, "-m", "nbstripout", "--install"], cwd=tmp_path, check=True)
    assert stripping_problem(notebook) is None
