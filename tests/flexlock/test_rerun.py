"""Running a run again from its sheet."""

import subprocess
import sys
from pathlib import Path

import pytest

from flexlock.errors import ConfigError, DataError, LockError
from flexlock.lock.document import read_lock
from flexlock.rerunning import rerun

SCRIPT = """
import os
from pathlib import Path

from flexlock import clicfg, runlock


class Config:
    param = 2
    input_path = "data/in.csv"
    save_dir = "results/process"


@clicfg(config_class=Config)
def main(cfg):
    runlock(config=cfg, repos=["."], data=[cfg.input_path])
    text = Path(cfg.input_path).read_text()
    Path(cfg.save_dir, "out.txt").write_text(text * cfg.param)
    Path(cfg.save_dir, "more").mkdir(exist_ok=True)
    Path(cfg.save_dir, "more", "log.txt").write_text(NOISE)
    return {"lines": len(text.splitlines()) * cfg.param}


if __name__ == "__main__":
    main(Config())
"""
SECOND = """
from pathlib import Path

from flexlock import clicfg, runlock


class Config:
    input_path = "results/process/out.txt"
    save_dir = "results/second"


@clicfg(config_class=Config)
def main(cfg):
    runlock(config=cfg, repos=["."], data=[cfg.input_path], prevs=["results/process"])
    Path(cfg.save_dir, "copy.txt").write_text(Path(cfg.input_path).read_text())


if __name__ == "__main__":
    main(Config())
"""


def shell(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def git(folder: Path, *words: str) -> str:
    return shell(folder, "git", "-c", "user.name=T", "-c", "user.email=t@localhost", *words)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    git(root, "init", "--quiet", "-b", "main")
    (root / ".gitignore").write_text("data/\nresults/\n__pycache__/\n")
    (root / "process.py").write_text(SCRIPT.replace("NOISE", repr("quiet")))
    (root / "second.py").write_text(SECOND)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "First")
    (root / "data" / "in.csv").write_text("1,2\n3,4\n")
    return root


def run(project: Path, script: str = "process.py", *words: str) -> Path:
    shell(project, sys.executable, script, *words)
    return project / "results" / Path(script).stem


def test_a_deterministic_run_is_identical(project: Path) -> None:
    directory = run(project, "process.py", "-o", "param", "3")
    before = {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}
    (project / "process.py").write_text("raise SystemExit('the work tree has moved on')")
    report = rerun(directory)
    assert report.is_identical, str(report)
    assert {output.name for output in report.outputs} == {"out.txt", "more/log.txt"}
    assert str(report).startswith("identical: 2 outputs")
    assert report.second != report.run
    assert {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()} == before
    assert git(project, "worktree", "list").count("\n") == 0


def test_code_that_was_never_committed_is_run_again(project: Path) -> None:
    (project / "process.py").write_text(SCRIPT.replace("NOISE", repr("edited")))
    (project / "helper.py").write_text("x = 1\n")
    directory = run(project)
    git(project, "checkout", "--quiet", "process.py")
    (project / "helper.py").unlink()
    report = rerun(directory)
    assert report.is_identical, str(report)


def test_files_that_differ_are_named(project: Path) -> None:
    (project / "process.py").write_text(SCRIPT.replace("NOISE", "os.urandom(8).hex()"))
    report = rerun(run(project))
    assert not report.is_identical
    assert [(o.name, o.verdict) for o in report.outputs] == [
        ("more/log.txt", "differs"),
        ("out.txt", "identical"),
    ]
    assert "more/log.txt: differs" in str(report)


def test_missing_and_new_files_are_named(project: Path) -> None:
    directory = run(project)
    (directory / "by hand.txt").write_text("x")
    (directory / "out.txt").unlink()
    report = rerun(directory)
    verdicts = {output.name: output.verdict for output in report.outputs}
    assert verdicts["by hand.txt"] == "missing"
    assert verdicts["out.txt"] == "new"


def test_runs_within_the_directory_are_not_part_of_the_run(project: Path) -> None:
    (project / "list.txt").write_text("1\n2\n")
    shell(project, sys.executable, "process.py", "--tasks", "list.txt", "--task_to", "param")
    with pytest.raises(LockError, match="sweep of 2 tasks"):
        rerun(project / "results" / "process")
    assert rerun(project / "results" / "process" / "param=2").is_identical
    directory = run(project)
    assert (directory / "param=1" / "out.txt").exists()
    report = rerun(directory)
    assert report.is_identical, str(report)


def test_outputs_that_are_not_here_any_longer_are_told(project: Path) -> None:
    directory = run(project)
    for path in (directory / "out.txt", directory / "more" / "log.txt"):
        path.unlink()
    report = rerun(directory)
    assert not report.is_identical
    assert "are not here" in str(report)


def test_a_result_that_differs_is_told(project: Path) -> None:
    text = SCRIPT.replace("NOISE", "'x'").replace('{"lines"', '{"pid": os.getpid(), "lines"')
    (project / "process.py").write_text(text)
    report = rerun(run(project))
    assert not report.same_result
    assert "the result: differs" in str(report)


def test_later_stages_find_earlier_runs(project: Path) -> None:
    run(project)
    report = rerun(run(project, "second.py"))
    assert report.is_identical, str(report)


def test_the_second_run_is_kept_where_asked_for(project: Path, tmp_path: Path) -> None:
    report = rerun(run(project), into=tmp_path / "again")
    assert report.kept == tmp_path / "again"
    second = tmp_path / "again" / "results" / "process"
    assert read_lock(second).id == report.second
    assert read_lock(second).status == "complete"
    with pytest.raises(LockError, match="not empty"):
        rerun(project / "results" / "process", into=tmp_path / "again")


def test_a_save_dir_elsewhere_is_not_touched(project: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "run"
    shell(project, sys.executable, "process.py", "-o", "save_dir", str(place))
    before = (place / "run.lock").read_bytes()
    report = rerun(place)
    assert report.is_identical, str(report)
    assert (place / "run.lock").read_bytes() == before


def test_changed_data_is_named_before_anything_runs(project: Path) -> None:
    directory = run(project)
    (project / "data" / "in.csv").write_text("9\n")
    with pytest.raises(DataError, match=r"in\.csv"):
        rerun(directory)
    assert git(project, "worktree", "list").count("\n") == 0


def test_a_second_run_that_fails_is_told(project: Path) -> None:
    text = SCRIPT.replace("NOISE", "'x'").replace(
        "    text =", "    if 'flexlock-rerun' in os.getcwd(): raise ValueError('no')\n    text ="
    )
    (project / "process.py").write_text(text)
    report = rerun(run(project))
    assert report.status == "failed"
    assert not report.is_identical


def test_secrets_have_to_be_given_again(project: Path) -> None:
    text = SCRIPT.replace("NOISE", "str(len(cfg.api_token))").replace(
        "    param = 2", "    param = 2\n    api_token = 'canary'"
    )
    (project / "process.py").write_text(text)
    directory = run(project)
    assert "canary" not in (directory / "run.lock").read_text()
    with pytest.raises(ConfigError, match="api_token"):
        rerun(directory)
    assert rerun(directory, overrides={"api_token": "canary"}).is_identical


def test_a_sheet_without_code_cannot_be_run_again(tmp_path: Path) -> None:
    from flexlock import runlock

    runlock(config={"save_dir": str(tmp_path / "run")}, repos=[])
    with pytest.raises(LockError, match="which function"):
        rerun(tmp_path / "run")


def test_functions_of_projects_and_of_the_command(project: Path) -> None:
    (project / "steps.py").write_text(
        "from flexlock import current_run\n"
        "class Model:\n    def __init__(self, size=1):\n        self.size = size\n"
        "def fit(model, rate=0.5):\n"
        "    (current_run().save_dir / 'out.txt').write_text(f'{model.size} {rate}')\n"
        "def train(rate: float = 0.5, save_dir='results/train'):\n"
        "    open(f'{save_dir}/out.txt', 'w').write(str(rate))\n"
        "    return rate\n"
    )
    code = (
        "from flexlock import submit; submit({'_target_': 'steps.fit', 'save_dir': 'results/fit',"
        " 'model': {'_target_': 'steps.Model', 'size': 3}}).raise_on_failure()"
    )
    shell(project, sys.executable, "-c", code)
    shell(project, sys.executable, "-m", "flexlock.cli", "run", "steps.py:train", "-o", "rate=2")
    assert (project / "results/fit/out.txt").read_text() == "3 0.5"
    for name in ("fit", "train"):
        report = rerun(project / "results" / name)
        assert report.is_identical, str(report)
        assert [output.name for output in report.outputs] == ["out.txt"]
