"""Versions as tags of real git repositories."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from deriva_ml.cli.bump_version import Version, main


def git(place: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(place), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit and a remote."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", "remote.git")
    place = tmp_path / "project"
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", str(place))
    git(place, "config", "user.email", "somebody@example.org")
    git(place, "config", "user.name", "Somebody")
    git(place, "remote", "add", "origin", str(tmp_path / "remote.git"))
    (place / "train.py").write_text("print(1)\n")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "Begin")
    monkeypatch.chdir(place)
    for name in ("START", "PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return place


def tags(place: Path) -> list[str]:
    return git(place, "tag", "--list").split()


def test_the_first_tag_then_each_part(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [main([]), main([]), main(["minor"]), main(["major"])] == [0, 0, 0, 0]
    assert capsys.readouterr().out.split() == ["v0.1.0", "v0.1.1", "v0.2.0", "v1.0.0"]
    remote = tmp_path / "remote.git"
    assert tags(remote) == tags(project) == ["v0.1.0", "v0.1.1", "v0.2.0", "v1.0.0"]
    assert git(remote, "rev-parse", "main") == git(project, "rev-parse", "HEAD")


def test_a_filter_of_the_repository_has_a_locale_for_any_path(project: Path) -> None:
    git(project, "config", "filter.strip.required", "true")
    git(project, "config", "filter.strip.clean", 'test "$LC_ALL" != C && cat')
    (project / ".gitattributes").write_text("*.py filter=strip\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Attributes")
    (project / "train.py").write_text("print(1)\n")  # at another time: it is looked at again
    os.utime(project / "train.py", (1, 1))
    assert main([]) == 0


def test_tags_count_by_their_numbers(project: Path) -> None:
    for tag in ("v0.9.0", "v0.10.0", "v1", "v2.0.0rc1", "w3.0.0"):
        git(project, "tag", tag)
    assert main(["--no-push"]) == 0
    assert "v0.10.1" in tags(project)


def test_tags_that_others_pushed_count(project: Path, tmp_path: Path) -> None:
    main([])
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "remote.git"), str(other))
    git(other, "tag", "v0.7.0")
    git(other, "push", "--quiet", "origin", "v0.7.0")
    assert main([]) == 0
    assert "v0.7.1" in tags(project)


def test_start_and_prefix(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("START", "3.0.0")
    monkeypatch.setenv("PREFIX", "release-")
    assert main(["--no-push"]) == 0
    assert main(["minor", "--no-push"]) == 0
    assert tags(project) == ["release-3.0.0", "release-3.1.0"]
    monkeypatch.setenv("PREFIX", "x")
    monkeypatch.setenv("START", "three")
    assert main(["--no-push"]) == 2


def test_what_is_not_committed_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "train.py").write_text("print(2)\n")
    (project / "neu é.py").touch()
    assert main([]) == 2
    assert "train.py" in (told := capsys.readouterr().err)
    assert "neu é.py" in told
    assert tags(project) == []


def test_a_changed_uv_lock_alone_is_committed(project: Path) -> None:
    (project / "uv.lock").write_text("version = 1\n")
    assert main(["--dry-run"]) == 0
    assert git(project, "log", "-1", "--format=%s") == "Begin"
    assert git(project, "status", "--porcelain") == "?? uv.lock"
    assert main([]) == 0
    assert git(project, "log", "-1", "--format=%s") == "Update uv.lock"
    assert git(project, "status", "--porcelain") == ""


def test_the_version_of_the_project_is_set_too(project: Path) -> None:
    text = '[build-system]\nversion = "9"\n[project]\r\nname = "p"\r\nversion = "0.3.0"  # now\r\n'
    (project / "pyproject.toml").write_bytes(text.encode())
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Project")
    assert [main([]), main(["minor"])] == [0, 0]
    assert tags(project) == ["v0.3.0", "v0.4.0"]
    assert (project / "pyproject.toml").read_bytes().decode() == text.replace("0.3.0", "0.4.0")
    said = tomllib.loads(git(project, "show", "v0.4.0:pyproject.toml"))
    assert said["project"]["version"] == "0.4.0"


def test_a_commit_that_is_refused_leaves_the_files_as_they_were(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = '[[package]]\nname = "p"\nversion = "0.1.0"\nsource = { virtual = "." }\n'
    files = {"pyproject.toml": '[project]\nname = "p"\nversion = "0.1.0"\n', "uv.lock": lock}
    for name, text in files.items():
        (project / name).write_text(text)
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Project")
    git(project, "tag", "v0.1.0")
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    assert main([]) == 1
    told = capsys.readouterr().err
    assert "0.1.1 could not be committed" in told
    assert "not today" in told
    assert {name: (project / name).read_text() for name in files} == files
    assert git(project, "status", "--porcelain") == ""
    assert tags(project) == ["v0.1.0"]


def test_the_version_in_the_lock_of_uv_is_set_too(project: Path) -> None:
    own = '[[package]]\nname = "p"\nversion = "{}"\nsource = {{ virtual = "." }}\n'
    other = '[[package]]\nname = "a"\nversion = "0.1.0"\nsource = { virtual = "../a" }\n\n'
    (project / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "0.1.0"\n')
    (project / "uv.lock").write_text(f"version = 1\n\n{other}{own.format('0.1.0')}")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Project")
    assert [main([]), main([])] == [0, 0]
    said = git(project, "show", "v0.1.1:uv.lock")
    assert said == f"version = 1\n\n{other}{own.format('0.1.1')}".strip()
    assert git(project, "status", "--porcelain") == ""


def test_a_version_of_the_project_is_not_lowered(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    (project / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "2.0.0"\n')
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Project")
    assert main([]) == 1
    assert "states version 2.0.0, and the next tag would be 0.1.1" in capsys.readouterr().err
    assert tags(project) == ["v0.1.0"]


def test_what_git_cannot_do_before_the_push_is_status_1(project: Path, tmp_path: Path) -> None:
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    assert main(["--dry-run"]) == 0  # which asks no remote
    assert main([]) == 1
    assert tags(project) == []


def test_another_tool_keeps_its_versions(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text('[tool.bumpversion]\ncurrent_version = "1.0.0"\n')
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Project")
    assert main([]) == 1
    assert "bump-my-version" in capsys.readouterr().err


def test_a_push_that_fails_says_how_to_repeat_it(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert main([]) not in (0, 2)
    assert "git push --atomic origin main v0.1.1" in capsys.readouterr().err
    assert tags(tmp_path / "remote.git") == ["v0.1.0"]


def test_outside_of_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert "no git repository" in capsys.readouterr().err
    git(tmp_path, "init", "--quiet")
    assert main([]) == 1
    assert "no commit yet" in capsys.readouterr().err


def test_a_detached_head_is_not_pushed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "checkout", "--quiet", "--detach")
    assert main([]) == 1
    assert "--no-push" in capsys.readouterr().err
    assert main(["--no-push"]) == 0


def test_without_a_remote_nothing_is_pushed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(project, "remote", "remove", "origin")
    assert main([]) == 0
    assert main(["--push"]) == 1
    assert "no remote" in capsys.readouterr().err


def test_a_version_is_three_numbers() -> None:
    assert Version.parse("1.20.3") == Version(1, 20, 3)
    assert [Version.parse(text) for text in ("1.2", "1.2.3.4", "1.2.x", "")] == [None] * 4
