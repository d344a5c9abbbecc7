"""Projects in real directories, with real git, also when it is killed on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml.cli.init import main
from deriva_ml.core.exceptions import DerivaMLDataError
from deriva_ml.execution.claim import claimed
from deriva_ml.template import make_project, project_files
from deriva_ml.template.repository import FIRST_COMMIT

pytest.importorskip("nbstripout", reason="the notebook extra is not installed")

KILLED = Path(__file__).with_name("make_and_die.py")
NAME, EMAIL = "Somebody", "somebody@example.org"


@pytest.fixture(autouse=True)
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An author for commits, and none of this machine's settings."""
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[user]\nname = {NAME}\nemail = {EMAIL}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)


def git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def content(place: Path) -> dict[str, bytes]:
    """The files of a directory, without those of git and of a workspace."""
    found = [path for path in place.rglob("*") if path.is_file()]
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in found
        if not path.relative_to(place).parts[0].startswith(".deriva-ml-init-")
        and path.relative_to(place).parts[0] != ".git"
    }


def expected(name: str) -> dict[str, bytes]:
    return {str(path): text for path, text in project_files(name).items()}


def test_a_repository_with_one_commit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    place = tmp_path / "demo"
    assert content(place) == expected("demo")
    assert git(place, "log", "--format=%s %an") == f"{FIRST_COMMIT} {NAME}"
    assert git(place, "status", "--porcelain") == ""
    assert sorted(git(place, "ls-files").splitlines()) == sorted(expected("demo"))
    assert names(tmp_path) == ["demo", "gitconfig"]
    assert "cd demo" in capsys.readouterr().out


def test_a_notebook_is_committed_without_its_outputs(tmp_path: Path) -> None:
    main(["demo"])
    place, notebook = tmp_path / "demo", Path("notebooks/results.ipynb")
    text = (place / notebook).read_text()
    printed = '"outputs": [{"output_type": "stream", "name": "stdout", "text": ["secret"]}]'
    ran = text.replace('"outputs": []', printed)
    ran = ran.replace('"execution_count": null', '"execution_count": 7')
    assert ran != text
    (place / notebook).write_text(ran)
    # Outputs alone are no change; with another cell they stay out.
    assert git(place, "diff", "--stat") == ""
    (place / notebook).write_text(ran.replace("Training runs compared", "Runs"))
    git(place, "commit", "--quiet", "--all", "--message", "Rename")
    committed = git(place, "show", f"HEAD:{notebook}")
    assert committed == text.replace("Training runs compared", "Runs").strip()
    assert "secret" in (place / notebook).read_text()


def test_into_the_directory_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "my-lab"
    place.mkdir()
    monkeypatch.chdir(place)
    assert main(["."]) == 0
    assert content(place) == expected("my-lab")
    assert content(Path.cwd()) == expected("my-lab")  # the same directory, not another in its place
    assert git(place, "status", "--porcelain") == ""


def test_without_git(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    assert main(["demo", "--no-git"]) == 0
    assert content(tmp_path / "demo") == expected("demo")
    assert not (tmp_path / "demo" / ".git").exists()


def test_in_a_repository_that_is_there_nothing_is_committed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "demo"
    git(tmp_path, "init", "--quiet", "demo")
    (place / "LICENSE").write_text("Mine\n")
    assert main(["demo"]) == 0
    assert "not committed" in capsys.readouterr().out
    assert content(place) == {**expected("demo"), "LICENSE": b"Mine\n"}
    assert git(place, "rev-list", "--all") == ""
    assert "nbstripout" in git(place, "config", "filter.nbstripout.clean")
    assert not (place / "demo").exists()
    # Deeper in it: said, since versions would be that repository's.
    assert main(["demo/part", "--no-git"]) == 0
    told = capsys.readouterr().out
    assert f"not committed to the repository {place}" in told
    assert "no repository of its own" in told


def test_files_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "demo"
    (place / "src").mkdir(parents=True)
    (place / "README.md").write_text("Mine\n")
    (place / "src" / "configs").write_text("a file where a directory goes\n")
    before = content(place)
    assert main(["demo"]) == 2
    told = capsys.readouterr().err
    assert "would overwrite: 'README.md', 'src/configs'" in told
    assert content(place) == before
    assert not (place / ".git").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no name"], "'no-name'"),
        (["there/is/demo"], "does not exist"),
        (["gitconfig/demo"], "is no directory"),
        (["gitconfig"], "is no directory"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err
    assert names(tmp_path) == ["gitconfig"]


def test_without_an_author_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\nuseConfigOnly = true\n")
    monkeypatch.delenv("EMAIL", raising=False)
    assert main(["demo"]) == 2
    assert "user.name" in (told := capsys.readouterr().err)
    assert "--no-git" in told
    assert names(tmp_path) == ["gitconfig"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["demo"]) == 2
    assert "git is not installed" in capsys.readouterr().err
    assert main(["demo", "--no-git"]) == 0


def before_commits(tmp_path: Path, script: str) -> None:
    """Let git run a script before each commit."""
    hook = tmp_path / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)
    with (tmp_path / "gitconfig").open("a") as settings:
        settings.write(f"[core]\nhooksPath = {hook.parent}\n")


@pytest.mark.parametrize("there", [False, True])
def test_what_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    place = tmp_path / "demo"
    if there:
        place.mkdir()
    before_commits(tmp_path, f"mkdir -p '{place}' && echo Mine > '{place}/README.md'")
    assert main(["demo"]) == 2
    told = "would overwrite: 'README.md'" if there else "somebody else meanwhile"
    assert told in capsys.readouterr().err
    assert content(place) == {"README.md": b"Mine\n"}
    assert names(place) == ["README.md"]
    assert names(tmp_path) == ["demo", "gitconfig", "hooks"]


def test_a_hook_that_refuses_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before_commits(tmp_path, "echo not today >&2\nexit 1")
    assert main(["demo"]) == 1
    assert "not today" in capsys.readouterr().err
    assert names(tmp_path) == ["gitconfig", "hooks"]


def test_another_process_is_at_it(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / ".deriva-ml-init-demo-x.y"),
        pytest.raises(DerivaMLDataError, match="Another process"),
    ):
        make_project(tmp_path / "demo-x", git=False)


def test_another_process_is_at_one_whose_name_begins_alike(tmp_path: Path) -> None:
    with claimed(tmp_path / ".deriva-ml-init-demo-x.y"):
        make_project(tmp_path / "demo", git=False)
    assert (tmp_path / ".deriva-ml-init-demo-x.y").is_dir()


def killed(target: Path, moment: int, kind: str) -> int:
    words = [sys.executable, str(KILLED), str(target), str(moment), kind]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -9), done.stderr
    return int(done.stdout) if done.returncode == 0 else 0


def test_killed_at_any_moment_it_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh" / "demo"
    fresh.parent.mkdir()
    moments = killed(fresh, 0, "git")
    assert moments > 60
    draw = random.Random(int(os.environ.get("TEMPLATE_SEED", "8")))
    for moment in [*draw.sample(range(2, moments), 1), moments - 3]:
        place = tmp_path / f"at{moment}" / "demo"
        place.parent.mkdir()
        killed(place, moment, "git")
        whole = place.exists()
        if whole:
            assert git(place, "status", "--porcelain") == ""
        else:
            assert main([str(place)]) == 0
        assert content(place) == expected("demo")
        if not whole:
            assert names(place.parent) == ["demo"]


def test_killed_while_files_are_moved_it_is_finished(tmp_path: Path) -> None:
    first = tmp_path / "first"
    (first / "demo").mkdir(parents=True)
    moments = killed(first / "demo", 0, "plain")
    partly = 0
    for moment in (moments // 3, moments - 40, moments - 20, moments - 3):
        place = tmp_path / f"at{moment}" / "demo"
        place.mkdir(parents=True)
        killed(place, moment, "plain")
        partly += 0 < len(content(place).keys() & expected("demo").keys()) < len(expected("demo"))
        if content(place) != expected("demo"):
            assert make_project(place, git=False).name == "demo"
        assert content(place) == expected("demo")
    assert partly
