"""The file that says which catalog a project belongs to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.context import CONTEXT_FILE, place_of, read_context, write_context
from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLNotFoundError


def test_what_is_written_leads_back_to_the_same_catalog(
    ml: DerivaML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    file = ml.write_context(project)
    assert file == project / CONTEXT_FILE
    monkeypatch.chdir(project)
    again = DerivaML.from_context()
    assert (again.catalog.url, again.default_schema) == (ml.catalog.url, "zoo")
    assert again.working_dir == ml.working_dir
    again.catalog.close()
    assert [p.name for p in project.iterdir()] == [CONTEXT_FILE]


def test_a_project_with_its_catalog_can_be_moved(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(place, project / "data")
    monkeypatch.chdir(project)
    ml = DerivaML("./data", working_dir="work")
    monkeypatch.chdir(tmp_path)
    ml.write_context(project)
    again = DerivaML.from_context(project)
    assert again.working_dir == ml.working_dir  # so that what was begun is found
    again.catalog.close()
    ml.catalog.close()
    said = json.loads((project / CONTEXT_FILE).read_text())
    assert (said["hostname"], said["working_dir"]) == ("./data", "work")
    moved = project.rename(tmp_path / "moved")
    found = DerivaML.from_context(moved)
    assert found.catalog.url == (moved / "data").as_uri()
    found.catalog.close()


def test_the_file_of_another_writer_is_read(tmp_path: Path) -> None:
    said = {"version": 1, "hostname": "h.org", "catalog_id": "7", "default_schema": None}
    (tmp_path / CONTEXT_FILE).write_text(json.dumps({**said, "connected_at": "2026-11-01"}))
    assert read_context(tmp_path) == {"hostname": "h.org", "catalog_id": "7"}


def test_a_directory_that_is_elsewhere_is_written_in_full(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_context(project, str(project / ".." / "data"), 1)
    assert read_context(project)["hostname"] == str(tmp_path / "data")
    write_context(project, (project / "my data").as_uri(), 1)
    assert json.loads((project / CONTEXT_FILE).read_text())["hostname"] == "./my data"
    assert read_context(project)["hostname"] == str(project / "my data")
    with pytest.raises(DerivaMLNotFoundError, match="make it first"):
        write_context(tmp_path / "nowhere", "localhost", 1)
    (tmp_path / CONTEXT_FILE).mkdir()
    with pytest.raises(DerivaMLConfigurationError, match="cannot be written"):
        write_context(tmp_path, "localhost", 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CONTEXT_FILE, "project"]


def test_a_command_takes_what_it_is_given_first(tmp_path: Path) -> None:
    write_context(tmp_path, "h.org", "7", default_schema="s")
    assert place_of("other.org", "8", tmp_path) == {"hostname": "other.org", "catalog_id": "8"}
    assert place_of("other.org", None, tmp_path) == {"hostname": "other.org"}
    assert place_of(None, "8", tmp_path) == {
        "hostname": "h.org",
        "catalog_id": "8",
        "default_schema": "s",
    }
    (tmp_path / "empty").mkdir()
    (tmp_path / CONTEXT_FILE).unlink()
    with pytest.raises(DerivaMLConfigurationError, match="give --host"):
        place_of(None, "8", tmp_path / "empty")


NOTEBOOK = """
from deriva_ml.execution import get_notebook_configuration, notebook_config
from deriva_ml.notebook.run import load_project
conf = notebook_config("analysis")
assert load_project("configs") == []
found = get_notebook_configuration(conf, "analysis", ["deriva_ml.logging_level=10"])
print(found.deriva_ml.hostname, found.deriva_ml.catalog_id, found.deriva_ml.logging_level)
"""


def test_a_notebook_without_a_connection_takes_that_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    write_context(tmp_path, "h.org", "7", working_dir=tmp_path / "w")
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        cwd=tmp_path / "notebooks",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "h.org 7 10\n", done.stderr
