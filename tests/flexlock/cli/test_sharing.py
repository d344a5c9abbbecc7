"""Runs that leave one clone and are run again in another, by the command line alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock import read_lock
from flexlock_projects import git, make_project, shell

Printed = Callable[..., tuple[int, str, str]]

SCRIPT = """
from pathlib import Path
from flexlock import clicfg, runlock

class Config:
    param = 2
    input_path = "data/in.csv"
    save_dir = "results/process"
    api_token = None

@clicfg(config_class=Config)
def main(cfg):
    out = Path(cfg.save_dir, "out.txt")
    runlock(config=cfg, repos=["."], data=[cfg.input_path], outputs=[out])
    out.write_text(Path(cfg.input_path).read_text() * cfg.param + NOISE)
    return {"param": cfg.param}

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a bare remote and a store beside it, and one run of edited code."""
    root = make_project(tmp_path / "project", {"process.py": SCRIPT.replace("NOISE", "''")})
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", str(tmp_path / "remote.git"))
    git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    (root / "data").mkdir()
    (root / "data/in.csv").write_text("1\n")
    git(root, "config", "flexlock.store", str(tmp_path / "store"))
    monkeypatch.chdir(root)
    return root


def run(project: Path, *words: str, noise: str = "''") -> None:
    """Run code that was never committed."""
    (project / "process.py").write_text("# edited\n" + SCRIPT.replace("NOISE", noise))
    shell(project, sys.executable, "process.py", *words)


def move_away(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Take the first clone away, as on another machine; return an empty folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    project.rename(tmp_path / "gone")
    return tmp_path / "elsewhere"


def test_push_pull_rerun(
    project: Path, tmp_path: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project)
    status, text, told = flexlock("push", "results/process", "--tag", "paper/v1", "--dry_run")
    assert (status, text.startswith("would push 1 run(s) as 'paper/v1'")) == (0, True), told
    assert not (tmp_path / "store").exists()
    assert "process.py" not in text
    status, text, told = flexlock("push", "results/process", "--tag", "paper/v1", "--json")
    assert status == 0, told
    assert json.loads(text)["objects"] == 1
    assert flexlock("push", "results/process", "--tag=paper/v1")[1].startswith("had pushed")
    lock = read_lock(project / "results/process")

    move_away(project, monkeypatch, tmp_path)
    remote = str(tmp_path / "remote.git")
    status, text, told = flexlock("pull", "paper/v1", "--repo", remote, "--into", "clone")
    assert status == 0, told
    monkeypatch.chdir("clone")
    assert read_lock(Path("results/process")) == lock
    assert Path("data/in.csv").read_text() == "1\n"
    assert Path("process.py").read_text().startswith("# edited")
    status, text, told = flexlock("rerun", "results/process", "-q")
    assert status == 0, text + told
    assert text.startswith("identical: 1 output of run")
    assert flexlock("diff", "results/process", "results/process")[0] == 0
    status, text, told = flexlock("rerun", "paper/v1", "-q", "--json")
    assert status == 0, text + told
    (report,) = json.loads(text)["runs"]
    assert (report["identical"], report["run"]) == (True, lock.id)


def test_rerun_of_a_tag_from_nothing(
    project: Path, tmp_path: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, "-o", "input_path", str(project / "data/in.csv"))
    assert flexlock("push", "results/process", "--tag", "v1")[0] == 0
    move_away(project, monkeypatch, tmp_path)
    words = ("v1", "--repo", str(tmp_path / "remote.git"), "--into", "kept")
    status, text, told = flexlock("rerun", *words)
    assert status == 0, text + told
    assert Path("kept/pulled/results/process/run.lock").exists()
    second = read_lock(Path("kept/again/results/process"))
    assert second.status == "complete"
    assert not Path(str(second.config["input_path"])).is_relative_to(project)
    assert flexlock("rerun", *words)[0] == 2, "the folder is not empty"


def test_data_outside_of_the_repository_moves_along(
    project: Path, tmp_path: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "archive/in.csv"
    outside.parent.mkdir()
    outside.write_text("7\n")
    run(project, "-o", "input_path", str(outside))
    assert flexlock("push", "results/process", "--tag", "v1")[0] == 0
    move_away(project, monkeypatch, tmp_path)
    outside.unlink()
    status, text, told = flexlock("rerun", "v1", "--repo", str(tmp_path / "remote.git"), "-q")
    assert status == 0, text + told


def test_what_differs_and_what_cannot_be_run_again(project: Path, flexlock: Printed) -> None:
    run(project, noise="__import__('os').urandom(8).hex()")
    status, text, _ = flexlock("rerun", "results/process", "-q")
    assert (status, "out: differs" in text) == (1, True)
    run(project, "-o", "api_token", "canary")
    status, _, told = flexlock("rerun", "results/process", "-q")
    assert (status, "-o api_token VALUE" in told) == (2, True)
    words = ("-q", "-o", "api_token", "canary")
    assert flexlock("rerun", "results/process", *words)[0] == 0
    for wrong in (["results/process", "--repo", "x"], ["results/process", "-o", "~param"]):
        assert flexlock("rerun", *wrong)[0] == 2
    status, _, told = flexlock("rerun", "no/such/tag", "--repo", "../remote.git")
    assert (status, "no tag" in told) == (2, True)


def test_pull_does_not_overwrite(
    project: Path, tmp_path: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project)
    flexlock("push", "results/process", "--tag", "v1")
    git(project, "checkout", "--quiet", "process.py")
    (project / "data/in.csv").write_text("mine\n")
    status, _, told = flexlock("pull", "v1")
    assert (status, "in the way" in told) == (1, True)
    assert (project / "data/in.csv").read_text() == "mine\n"
    assert flexlock("pull", "v1", "--only", "code", "--dry-run")[1].startswith("would pull")
    status, text, told = flexlock("pull", "v1", "--force", "--link=copy", "--json")
    assert status == 0, told
    assert json.loads(text)["data"] == ["data/in.csv"]
    assert (project / "data/in.csv").read_text() == "1\n"
    assert flexlock("pull", "v9")[0] == 1


def test_new_files_need_consent(project: Path, flexlock: Printed) -> None:
    (project / "secret.env").write_text("x\n")
    run(project)
    status, _, told = flexlock("push", "results/process")
    assert (status, "secret.env" in told, "--yes" in told) == (1, True, True)
    text = flexlock("push", "results/process", "--dry_run")[1]
    assert "secret.env" in text.split("needs --yes")[1]
    assert flexlock("push", "results/process", "--yes")[0] == 0
    assert subprocess.run(["git", "ls-remote", "--tags", "origin"], check=True).returncode == 0
