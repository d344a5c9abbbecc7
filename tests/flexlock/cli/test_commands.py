"""Commands about runs that are there: compare, explain, list, draw, name, clean up, look after."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from flexlock import read_lock, run_status, write_lock
from flexlock_projects import git, make_project, record

Printed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_project(tmp_path / "project", {"process.py": "a = 1\n", "notes.md": "x\n"})
    (root / "data").mkdir()
    (root / "data/in.csv").write_text("1\n")
    monkeypatch.chdir(root)
    return root


def facts_of(flexlock: Printed, *words: str) -> tuple[int, dict[str, Any]]:
    status, text, told = flexlock(*words, "--json")
    assert text, told
    facts: dict[str, Any] = json.loads(text)
    assert facts["schema_version"] == 1
    return status, facts


class TestDiff:
    def test_same_and_different(self, project: Path, flexlock: Printed) -> None:
        record(project, "a", config={"lr": 0.1})
        record(project, "b", config={"lr": 0.1})
        (project / "process.py").write_text("a = 2\n")
        record(project, "c", config={"lr": 0.2})
        status, text, _ = flexlock("diff", "results/a", "results/b")
        assert (status, text.startswith("the same code")) == (0, True)
        status, text, _ = flexlock("diff", "results/a", "results/c", "--code")
        assert status == 1
        assert "lr: 0.1 != 0.2" in text
        assert "main/process.py: differs" in text
        assert "-a = 1\n+a = 2" in text
        status, facts = facts_of(flexlock, "diff", "results/a", "results/c", "--code")
        assert (status, facts["match"]) == (1, False)
        assert "+a = 2" in facts["code"]
        words = ("--ignore", "lr", "--exclude", "process.py")
        assert flexlock("diff", "results/a", "results/c", *words)[0] == 0

    def test_errors_are_not_differences(self, project: Path, flexlock: Printed) -> None:
        record(project, "a")
        for words in (("results/a", "nothing"), ("results/a",), ("results/a", "data/in.csv")):
            status, _, told = flexlock("diff", *words)
            assert (status, told.startswith("error: ")) == (2, True)


class TestWhy:
    def test_what_changed_since(self, project: Path, flexlock: Printed) -> None:
        record(project, "a", {"out.txt": "x"}, data=["data/in.csv"], outputs=["results/a/out.txt"])
        before = git(project, "for-each-ref")
        status, text, _ = flexlock("why", "results/a")
        assert (status, "its 1 recorded output is still there" in text) == (0, True)
        (project / "process.py").write_text("a = 2\n")
        (project / "data/in.csv").write_text("2\n")
        status, text, _ = flexlock("why", "results/a")
        assert status == 1
        assert "code: main/process.py: differs" in text
        assert "data: in: blake3:" in text
        assert git(project, "for-each-ref") == before
        status, facts = facts_of(flexlock, "why", "results/a", "--in", "results")
        assert (status, facts["match"], facts["searched"]) == (1, False, 1)

    def test_against_another_run(self, project: Path, flexlock: Printed) -> None:
        for name, rate in (("a", 1), ("b", 1), ("c", 2)):
            record(project, name, config={"lr": rate})
        assert flexlock("why", "results/a", "--against", "results/b")[0] == 0
        status, text, _ = flexlock("why", "results/a", "--against", "results/c")
        assert (status, "config: lr: 1 != 2" in text) == (1, True)
        assert flexlock("why", "nothing")[0] == 2
        assert flexlock("why", "results/a", "--in", "nothing")[0] == 2


class TestLists:
    def test_lineage(self, project: Path, flexlock: Printed) -> None:
        raw = record(project, "raw")
        record(project, "train", prevs=[raw])
        status, text, _ = flexlock("log", "results/train")
        assert status == 0
        assert [line[:3] for line in text.splitlines()] == ["res", "└─ "]
        _, facts = facts_of(flexlock, "log", "results/train")
        assert [(e["name"], e["direct"]) for e in facts["earlier"]] == [("raw", True)]
        assert flexlock("log", "nothing")[0] == 1

    def test_runs(self, project: Path, flexlock: Printed) -> None:
        run = record(project, "good", note="well")
        record(project, "other")
        (project / "results/bad").mkdir()
        (project / "results/bad/run.lock").write_text("{half")
        flexlock("tag", "best", str(run))
        status, text, _ = flexlock("ls", "results", "-v")
        assert status == 0
        assert [line.split()[0] for line in text.splitlines() if "corrupt" in line] == ["corrupt"]
        assert f"{read_lock(run).id}  best" in text
        assert "results/good  record  well" in text
        _, facts = facts_of(flexlock, "ls", "--status", "complete")
        assert [Path(r["path"]).name for r in facts["runs"]] == ["good", "other"]
        assert facts["runs"][0]["tags"] == ["best"]
        assert flexlock("ls", "nothing")[0] == 2

    def test_graph(self, project: Path, flexlock: Printed) -> None:
        record(project, "train", prevs=[record(project, "raw")])
        assert flexlock("graph")[1].startswith("flowchart LR")
        assert flexlock("graph", "results", "--format", "dot")[1].count("->") == 1
        _, facts = facts_of(flexlock, "graph", "results")
        assert len(facts["edges"]) == 1
        assert flexlock("graph", "--json", "--format", "dot")[0] == 2


class TestTag:
    def test_names(self, project: Path, flexlock: Printed) -> None:
        record(project, "a")
        assert flexlock("tag", "paper/v1", "results/a", "-m", "figure 3")[0] == 0
        assert "figure 3" in flexlock("tag", "-l")[1]
        _, facts = facts_of(flexlock, "tag", "-l")
        assert [tag["name"] for tag in facts["tags"]] == ["paper/v1"]
        assert flexlock("tag", "paper/v1", "results/a")[0] == 1
        assert flexlock("tag", "-d", "paper/v1")[0] == 0
        assert flexlock("tag", "-l")[1] == ""
        assert flexlock("tag", "-d", "paper/v1")[0] == 1

    @pytest.mark.parametrize("words", [[], ["name"], ["name", "run", "-l"], ["-l", "-d", "x"]])
    def test_wrong_use(self, project: Path, flexlock: Printed, words: list[str]) -> None:
        assert flexlock("tag", *words)[0] == 2


class TestClean:
    def test_looking_is_the_default_and_everything_comes_back(
        self, project: Path, flexlock: Printed
    ) -> None:
        raw = record(project, "raw")
        record(project, "train", {"out": "x"}, outputs=["results/train/out"], prevs=[raw])
        record(project, "mine", {"notes.txt": "x"})
        status, text, _ = flexlock("gc", "results")
        assert status == 0
        assert "could go: results/train" in text
        assert "stays results/raw: the run in 'results/train' builds on it" in text
        assert "'notes.txt'" in text
        assert (project / "results/train").exists()
        _, facts = facts_of(flexlock, "gc", "results", "--yes")
        assert not (project / "results/train").exists()
        status, text, _ = flexlock("gc", "--restore", facts["trash"])
        assert (status, text) == (0, f"restored {project}/results/train\n")
        assert (project / "results/train/out").read_text() == "x"
        assert flexlock("gc", "--restore", facts["trash"])[0] == 1
        assert flexlock("gc", "--yes", "--dry_run")[0] == 2
        assert "mine" in flexlock("gc", "results", "--all-files")[1].split("stays")[0]


class Links(HTMLParser):
    """The tags of a page, and where it leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.targets: list[str] = []
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)
        found = dict(attrs)
        self.names += [found["id"] or ""] if "id" in found else []
        self.targets += [v or "" for k, v in attrs if k in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class TestReport:
    def test_page_holds_all_and_loads_nothing(self, project: Path, flexlock: Printed) -> None:
        raw = record(project, "raw", data=["data/in.csv"], note="first")
        record(project, '<b>odd</b> & "more"', config={"x": "<script>alert(1)</script>"})
        record(project, "train", prevs=[raw])
        (project / "results/bad").mkdir()
        (project / "results/bad/run.lock").write_text("<i>half")
        status, text, _ = flexlock("report", "results", "--title", "A & <B>")
        assert (status, text) == (0, "runs.html: 4 runs\n")
        page = (project / "runs.html").read_text()
        links = Links(page)
        assert not links.open
        assert {"script", "b", "i", "img", "link"}.isdisjoint(links.tags)
        assert "&lt;script&gt;alert(1)" in page
        assert "<h1>A &amp; &lt;B&gt;</h1>" in page
        assert all(t.startswith("#") and t[1:] in links.names for t in links.targets)
        assert "builds on" in page
        assert "first" in page
        _, facts = facts_of(flexlock, "report", "results", "--out", "data/page.html")
        assert facts["runs"] == 4
        assert flexlock("report", "--out", "nowhere/x.html")[0] == 1


class TestDoctor:
    @staticmethod
    def killed(project: Path, name: str, text: str | None = "1\n2\n", **config: object) -> Path:
        """A run whose process was killed after it had written its output."""
        folder = project / "results" / name
        script = (
            "import os, sys, json; from pathlib import Path; from flexlock import runlock\n"
            "folder, text, config = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])\n"
            "with runlock({'save_dir': folder, **config}, outputs={'out': f'{folder}/out.csv'}\n"
            "             if not config else None):\n"
            "    if text is not None: Path(folder, 'out.csv').write_text(text)\n"
            "    os.kill(os.getpid(), 9)\n"
        )
        words = [sys.executable, "-c", script, str(folder), json.dumps(text), json.dumps(config)]
        environment = {**os.environ, "PYTHONPATH": f"{os.pathsep.join(sys.path)}"}
        assert subprocess.run(words, cwd=project, env=environment, check=False).returncode == -9
        assert run_status(folder).name == "lost"
        return folder

    def test_machine_and_runs(
        self, project: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        record(project, "good")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/git").symlink_to(shutil.which("git") or "")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        status, text, _ = flexlock("doctor", ".")
        assert status == 0, text
        for name in ("git", "repository", "rclone", "Slurm", "cache", "files", "runs"):
            assert f" {name}: " in text
        assert "1 run below '.', all well" in text
        lost = self.killed(project, "lost")
        (project / "results/bad").mkdir()
        (project / "results/bad/run.lock").write_text("{half")
        status, facts = facts_of(flexlock, "doctor", "results")
        problems = {c["name"]: c["remedy"] for c in facts["checks"] if c["state"] == "problem"}
        assert (status, list(problems)) == (1, ["results/bad", "results/lost"])
        assert f"--adopt results/{lost.name}" in problems["results/lost"]

    def test_missing_programs(
        self, project: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project / "bin").mkdir()
        broken = project / "bin/squeue"
        broken.write_text("#!/bin/sh\necho no controller >&2; exit 1\n")
        broken.chmod(0o755)
        monkeypatch.setenv("PATH", str(project / "bin"))
        monkeypatch.setenv("FLEXLOCK_CACHE", "/proc/nowhere")
        status, text, _ = flexlock("doctor")
        assert status == 1
        assert "problem  git: the program 'git' is not there" in text
        assert "problem  Slurm: sbatch, scancel, scontrol missing" in text
        assert "problem  cache" in text
        assert "note     rclone: not installed" in text
        for name in ("sbatch", "scancel", "scontrol"):
            (project / "bin" / name).symlink_to(broken)
        assert "problem  Slurm: squeue failed: no controller" in flexlock("doctor")[1]

    def test_killed_run_is_completed_by_its_outputs(
        self, project: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = self.killed(project, "lost")
        monkeypatch.chdir(project / "data")
        status, text, _ = flexlock("doctor", "--adopt", str(folder))
        assert status == 0, text
        lock = read_lock(folder)
        assert (lock.status, run_status(folder).name) == ("complete", "complete")
        assert lock.outputs["out"].hash is not None
        assert "was completed afterwards" in lock.warnings[-1]
        status, _, told = flexlock("doctor", "--adopt", str(folder))
        assert (status, "is complete; there is nothing to complete" in told) == (1, True)

    def test_outputs_must_be_valid(
        self, project: Path, flexlock: Printed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project / "checks.py").write_text(
            "def long(path):\n    return len(path.read_text()) > 9\n"
        )
        monkeypatch.syspath_prepend(project)
        declared = {"out": {"path": "results/a/out.csv", "validator": "checks.long"}}
        folder = self.killed(project, "a", _outputs_=declared)
        before = {p: p.read_bytes() for p in folder.iterdir() if "guard" not in p.name}
        status, _, told = flexlock("doctor", "--adopt", "results/a")
        assert (status, "is not valid" in told) == (1, True)
        after = {p: p.read_bytes() for p in folder.iterdir() if "guard" not in p.name}
        assert {p for p in before if p.name != "run.owner"} == set(after)
        assert run_status(folder).name == "lost"
        (folder / "out.csv").write_text("0123456789")
        assert flexlock("doctor", "--adopt", "results/a")[0] == 0

    def test_what_cannot_be_completed(self, project: Path, flexlock: Printed) -> None:
        missing = self.killed(project, "missing", text=None)
        assert flexlock("doctor", "--adopt", str(missing))[0] == 1
        assert run_status(missing).name == "lost"
        plain = record(project, "plain")
        write_lock(plain, replace(read_lock(plain), status="running"))
        (plain / "run.complete").unlink()
        status, _, told = flexlock("doctor", "--adopt", str(plain))
        assert (status, "declares no outputs" in told) == (1, True)
        assert flexlock("doctor", "--adopt", "nothing")[0] == 2
