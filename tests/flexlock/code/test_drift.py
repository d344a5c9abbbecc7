"""Loaded files that are not what was captured are found."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flexlock.code import git as git_module
from flexlock.code.capture import capture
from flexlock.code.drift import code_drift, loaded_files

from ..repository import Repository, new_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = new_repository(tmp_path / "project")
    made.write(main_py="m = 1\n", helper_py="h = 1\n")
    made.commit()
    return made


def test_edited_and_new_files_are_named(repository: Repository) -> None:
    state = capture(repository.root)
    files = [repository.root / name for name in ("main.py", "helper.py", "new.py", "ignored.py")]
    assert code_drift({"main": state}, files=files) == {}
    repository.write(helper_py="h = 2\n", new_py="n\n", ignored_py="i\n")
    (repository.root / ".gitignore").write_text("ignored.py\n")
    assert code_drift({"main": state}, files=files) == {"main": ("helper.py", "new.py")}
    assert code_drift({"main": capture(repository.root)}, files=files) == {}


def test_files_older_than_the_snapshot_cost_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = capture(repository.root)
    repository.write(helper_py="h = 2\n")
    files = [repository.root / "helper.py"]
    monkeypatch.setattr(git_module.subprocess, "Popen", None)
    assert code_drift({"main": state}, since_ns=time.time_ns() + 10**10, files=files) == {}


def test_touched_files_are_compared_by_content(repository: Repository) -> None:
    state = capture(repository.root)
    (repository.root / "helper.py").touch()
    since = time.time_ns()
    files = [repository.root / "helper.py", repository.root / "gone.py"]
    assert code_drift({"main": state}, since_ns=since, files=files) == {}
    repository.write(helper_py="h = 3\n")
    assert code_drift({"main": state}, since_ns=since, files=files) == {"main": ("helper.py",)}


def test_files_elsewhere_do_not_count(repository: Repository) -> None:
    state = capture(repository.root)
    assert code_drift({"main": state}, files=[Path(__file__)]) == {}
    assert Path(git_module.__file__) in loaded_files()
