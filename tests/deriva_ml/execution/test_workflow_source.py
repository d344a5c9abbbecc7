"""Which code ran, told by real git repositories."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml.core.exceptions import DerivaMLDirtyWorkflowError, DerivaMLWorkflowError
from deriva_ml.execution.git import Repository, blob_hash, dirty_mark, find_repository, web_url
from deriva_ml.execution.source import (
    UNVERSIONED,
    calling_file,
    describe_version,
    identify_file,
    source_file_of,
)
from deriva_ml.execution.workflow import Workflow

RULES = ("ALLOW_DIRTY", "STRICT_GIT", "DRY_RUN", "DIRTY_CHECK_IGNORE", "WORKFLOW_URL")


@pytest.fixture(autouse=True)
def _no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in RULES:
        monkeypatch.delenv(f"DERIVA_ML_{rule}", raising=False)
    monkeypatch.delenv("DERIVA_MCP_IN_DOCKER", raising=False)


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "train model.py").write_text("print('train')\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "remote", "add", "origin", "git@github.com:me/project.git")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Begin")
    return root.resolve()


@pytest.mark.parametrize(
    ("remote", "web"),
    [
        ("git@github.com:me/project.git", "https://github.com/me/project"),
        ("ssh://git@example.org:2222/me/project.git", "https://example.org/me/project"),
        ("https://user:secret@example.org/me/project.git", "https://example.org/me/project"),
        ("https://example.org:8443/me/project", "https://example.org:8443/me/project"),
        ("git://example.org/me/project.git/", "https://example.org/me/project"),
        ("/srv/git/project.git", None),
        ("file:///srv/git/project.git", None),
        ("../project", None),
        (r"C:\git\project", None),
    ],
)
def test_remote_becomes_a_page_without_secrets(remote: str, web: str | None) -> None:
    assert web_url(remote) == web


def test_committed_file_is_the_page_of_its_last_commit(project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    (project / "other.py").write_text("1\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Go on")
    found = identify_file(project / "src" / "train model.py")
    assert found.url == f"https://github.com/me/project/blob/{first}/src/train%20model.py"
    assert found.checksum == git(project, "hash-object", "src/train model.py")
    assert found.commit == git(project, "rev-parse", "HEAD") != first
    assert (found.git_root, found.dirty_paths, found.note) == (project, (), "")


def test_version_follows_the_tag(project: Path) -> None:
    assert describe_version(project).startswith("0.0.0.post1+g")
    git(project, "tag", "v1.2.0")
    assert describe_version(project) == "1.2.0"
    git(project, "commit", "-q", "--allow-empty", "-m", "More")
    assert describe_version(project).startswith("1.2.0.post1+g")


def test_uncommitted_changes_are_recorded_by_default(project: Path) -> None:
    script = project / "src" / "train model.py"
    clean = identify_file(script)
    script.write_text("print('changed')\n")
    dirty = identify_file(script)
    assert dirty.checksum == blob_hash(b"print('changed')\n") != clean.checksum
    assert dirty.dirty_paths == ("src/train model.py",)
    assert ".dirty." in (dirty.version or "")
    assert "'src/train model.py'" in dirty.note


def test_mark_of_a_dirty_tree_stands_for_its_content(project: Path) -> None:
    script, other = project / "src" / "train model.py", project / "new.py"
    marks = []
    for content in ("1\n", "2\n", "1\n"):
        other.write_text(content)
        marks.append(identify_file(script).version)
    assert marks[0] == marks[2] != marks[1]


def test_strictness_names_the_changes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = project / "src" / "train model.py"
    (project / "new.py").write_text("1\n")
    monkeypatch.setenv("DERIVA_ML_STRICT_GIT", "true")
    with pytest.raises(DerivaMLDirtyWorkflowError, match=r"'new\.py'") as caught:
        identify_file(script)
    assert caught.value.dirty_paths == ["new.py"]
    assert identify_file(script, allow_dirty=True).dirty_paths == ("new.py",)
    for rule in ("DERIVA_ML_ALLOW_DIRTY", "DERIVA_ML_DRY_RUN"):
        monkeypatch.setenv(rule, "true")
        assert identify_file(script).dirty_paths == ("new.py",)
        monkeypatch.delenv(rule)
    with pytest.raises(DerivaMLDirtyWorkflowError):
        Workflow(name="n", workflow_type="Training").identify(script, strict_git=True)


def test_a_filter_has_a_locale_for_any_path_and_is_missed_when_it_fails(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = project / "src" / "train model.py"
    (project / ".gitattributes").write_text("*.txt filter=strip\n")
    (project / "notes.txt").write_text("1\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Notes")
    (project / "notes.txt").write_text("2\n")
    git(project, "config", "filter.strip.required", "true")
    git(project, "config", "filter.strip.clean", 'test "$LC_ALL" = C.UTF-8 && cat')
    assert identify_file(script).dirty_paths == ("notes.txt",)
    git(project, "config", "filter.strip.clean", "false")
    assert identify_file(script).dirty_paths == ()
    assert "cannot be told, because 'git status' fails there" in caplog.text
    with pytest.raises(DerivaMLWorkflowError, match="cannot be told"):
        identify_file(script, strict_git=True)


def test_outputs_and_named_paths_are_not_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("outputs/a", "findings/b", ".scratch/c", "data/d"):
        (project / name).parent.mkdir()
        (project / name).write_text("x")
    script = project / "src" / "train model.py"
    assert identify_file(script).dirty_paths == ("data/d",)
    monkeypatch.setenv("DERIVA_ML_DIRTY_CHECK_IGNORE", "nothing/:data/")
    assert identify_file(script).dirty_paths == ()


def test_renamed_file_counts_once(project: Path) -> None:
    git(project, "mv", "src/train model.py", "src/fit.py")
    assert identify_file(project / "src" / "fit.py").dirty_paths == ("src/fit.py",)


def test_file_that_git_does_not_track_is_known_by_its_content(project: Path) -> None:
    new = project / "new.py"
    new.write_text("1\n")
    found = identify_file(new)
    assert found.url == new.as_uri()
    assert found.checksum == blob_hash(b"1\n")
    assert "not committed" in found.note


def test_repository_without_a_web_page_gives_the_file_and_commit(project: Path) -> None:
    git(project, "remote", "remove", "origin")
    script = project / "src" / "train model.py"
    found = identify_file(script)
    assert found.url == f"{script.as_uri()}#{git(project, 'rev-parse', 'HEAD')}"
    assert "no remote" in found.note


def test_repository_without_a_commit_still_identifies(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1\n")
    found = identify_file(tmp_path / "a.py")
    assert found.url == (tmp_path / "a.py").resolve().as_uri()
    assert found.commit is None


def test_outside_git_the_content_is_the_identity(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1\n")
    found = identify_file(tmp_path / "a.py")
    assert found.url == (tmp_path / "a.py").resolve().as_uri()
    assert found.checksum == blob_hash(b"1\n")
    assert found.version == UNVERSIONED
    assert "no git repository" in found.note


def test_without_git_installed_the_content_is_the_identity(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert identify_file(project / "src" / "train model.py").version == UNVERSIONED


def test_running_a_notebook_again_changes_nothing(tmp_path: Path) -> None:
    def notebook(count: int | None, outputs: list[str], source: str = "1 + 1") -> Path:
        path = tmp_path / "a.ipynb"
        cell = {"cell_type": "code", "source": [source], "metadata": {}}
        cell |= {"execution_count": count, "outputs": outputs}
        path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
        return path

    clean = identify_file(notebook(None, []))
    assert clean.is_notebook
    assert identify_file(notebook(3, ["2"])).checksum == clean.checksum
    assert identify_file(notebook(None, [], "1 + 2")).checksum != clean.checksum


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DerivaMLWorkflowError, match=r"gone\.py"):
        identify_file(tmp_path / "gone.py")


def test_caller_is_this_file() -> None:
    assert calling_file() == Path(__file__).resolve()


def test_typed_code_is_a_session_of_its_own() -> None:
    code = (
        "from deriva_ml.execution.source import calling_source as c; s = c(); "
        "print(s.url, s.checksum == c().checksum, s.checksum)"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout.split()
        for _ in range(2)
    ]
    assert [t[:2] for t in told] == [["REPL", "True"]] * 2
    assert told[0][2] != told[1][2]


def test_container_is_the_identity_in_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_MCP_IN_DOCKER", "true")
    monkeypatch.setenv("DERIVA_MCP_IMAGE_NAME", "example.org/mcp")
    monkeypatch.setenv("DERIVA_MCP_IMAGE_DIGEST", "sha256:1")
    monkeypatch.setenv("DERIVA_MCP_VERSION", "3.0")
    workflow = Workflow(name="n", workflow_type="Training").identify()
    assert workflow.url == "example.org/mcp@sha256:1"
    assert (workflow.checksum, workflow.version) == ("sha256:1", "3.0")


def test_notebook_runner_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_ML_WORKFLOW_URL", "https://example.org/a.ipynb")
    monkeypatch.setenv("DERIVA_ML_WORKFLOW_CHECKSUM", "abc")
    workflow = Workflow(name="n", workflow_type="Training").identify()
    assert (workflow.url, workflow.checksum) == ("https://example.org/a.ipynb", "abc")
    assert workflow.is_notebook


def test_workflow_is_identified_once(project: Path, tmp_path: Path) -> None:
    workflow = Workflow(name="n", workflow_type="Training")
    workflow.identify(project / "src" / "train model.py")
    url = workflow.url
    (tmp_path / "b.py").write_text("")
    assert workflow.identify(tmp_path / "b.py").url == url
    assert workflow.source is not None
    assert workflow.source.to_dict()["git_root"] == str(project)


def test_source_file_looks_through_partials() -> None:
    partial = functools.partial(functools.partial(git, Path()), "status")
    assert source_file_of(partial) == Path(__file__).resolve()
    assert source_file_of(len) is None


def test_changes_are_written_through_before_they_show() -> None:
    workflow = Workflow(name="n", workflow_type="Training", rid="1ABC")
    saved = []
    workflow.attach(lambda field, value: saved.append((field, value)))
    workflow.add_workflow_type("Testing")
    workflow.add_workflow_type("Testing")
    workflow.description = "new"
    workflow.remove_workflow_type("Training")
    assert saved == [
        ("workflow_type", ["Training", "Testing"]),
        ("description", "new"),
        ("workflow_type", ["Testing"]),
    ]

    def refuse(field: str, value: object) -> None:
        raise PermissionError(field)

    workflow.attach(refuse)
    with pytest.raises(PermissionError):
        workflow.description = "newer"
    assert workflow.description == "new"
    assert workflow.rid == workflow.workflow_rid == "1ABC"


@pytest.mark.parametrize("name", ["a.db", "a.db-journal", "a.sqlite-wal", "a.sqlite3-shm", "a.txt"])
def test_files_of_databases_are_told_by_size_and_time(tmp_path: Path, name: str) -> None:
    marks = set()
    for text in ("one", "two"):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1, 1))
        marks.add(dirty_mark(Repository(tmp_path, None, None), [name]))
    assert len(marks) == (2 if name == "a.txt" else 1)  # to read one may take locks away


def test_a_file_called_head_is_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "HEAD").touch()
    found = find_repository(tmp_path)
    assert found is not None
    assert found.head is None
