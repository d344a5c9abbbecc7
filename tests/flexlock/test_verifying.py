"""Whether a sheet still holds: each thing that it names, changed in turn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flexlock import runlock, verify
from flexlock.errors import LockNotFoundError
from flexlock.lock.document import read_lock, write_lock
from flexlock.lock.record import DataState, RepoState

from .repository import Repository, new_repository


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a project with two stages that have run."""
    made = new_repository(tmp_path / "project")
    made.write(a_py="a = 1\n", b_py="b = 1\n")
    (made.root / ".gitignore").write_text("data/\nresults/\n")
    made.commit()
    (made.root / "data").mkdir()
    (made.root / "data/in.csv").write_text("x\n")
    monkeypatch.chdir(made.root)
    for name, source in (("first", "data/in.csv"), ("second", "results/first/out.txt")):
        output = Path(f"results/{name}/out.txt")
        config = {"save_dir": f"results/{name}"}
        with runlock(config, ["."], [source], outputs=[output]):
            output.write_text(name)
    return made


def states(run: str = "results/second", **options: object) -> dict[str, str]:
    found = verify(run, **options)  # type: ignore[arg-type]
    return {f"{f.section} {f.name}": f.state for f in found.findings}


SAME = {"code main": "same", "data out": "same", "prevs first": "same", "outputs out": "same"}


def test_nothing_changed(project: Repository) -> None:
    found = verify("results/second/out.txt")
    assert found.holds
    assert found.proven
    assert states() == SAME
    lines = str(found).splitlines()
    assert lines[0].startswith(f"run {found.id} (")
    assert lines[2] == "code     main   same"
    assert found.to_dict()["findings"][0]["section"] == "code"


def test_changed_code_is_named(project: Repository) -> None:
    project.write(b_py="b = 2\n", new_py="n\n")
    found = verify("results/second")
    assert states() == {**SAME, "code main": "changed"}
    assert found.findings[0].files == ("b.py", "new.py")
    assert found.findings[0].detail == "b.py, new.py"
    assert not found.holds
    project.commit()
    assert states()["code main"] == "changed"
    project.git("rm", "--quiet", "new.py")
    project.write(b_py="b = 1\n")
    assert states() == SAME


def test_changed_and_missing_data(project: Repository) -> None:
    (project.root / "data/in.csv").write_text("y\n")
    assert states("results/first")["data in"] == "changed"
    assert states() == SAME
    (project.root / "data/in.csv").unlink()
    found = verify("results/first", sections=["data"])
    assert [(f.state, f.detail) for f in found.findings] == [
        ("missing", f"'{project.root}/data/in.csv' does not exist.")
    ]


def test_tampered_outputs(project: Repository) -> None:
    (project.root / "results/first/out.txt").write_text("else!")
    assert states() == {**SAME, "data out": "changed"}
    assert states("results/first")["outputs out"] == "changed"


def test_earlier_runs_that_ran_again_were_changed_or_are_gone(project: Repository) -> None:
    sheet = project.root / "results/first/run.lock"
    write_lock(sheet, replace(read_lock(sheet), note="edited"))
    finding = verify("results/second", sections=["prevs"]).findings[0]
    assert (finding.state, finding.detail) == ("changed", "its sheet was changed")
    later = runlock({"save_dir": "results/first"}, ["."]).lock
    finding = verify("results/second", sections=["prevs"]).findings[0]
    assert (finding.state, finding.detail) == ("changed", f"run again since, as {later.id}")
    sheet.unlink()
    assert states()["prevs first"] == "missing"


def test_from_another_place(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert states(str(project.root / "results/second")) == SAME
    moved = project.root.parent / "moved"
    shutil.move(project.root, moved)
    monkeypatch.chdir(moved)
    assert states() == SAME
    monkeypatch.chdir("/")
    assert states(str(moved / "results/second"), root=moved) == SAME


def test_what_cannot_be_told(project: Repository) -> None:
    sheet = project.root / "results/second/run.lock"
    lock = read_lock(sheet)
    write_lock(
        sheet,
        replace(
            lock,
            repos={
                "none": RepoState("/x", reason="not in a repository"),
                "gone": replace(lock.repos["main"], tree="1" * 40),
                "old": replace(lock.repos["main"], tree=None),
            },
            data={
                "given": DataState("s3://x", "url", "sha256", "ab", method="given"),
                "old": DataState("data/in.csv", algorithm="xxh64", hash="00" * 8),
                "nothing": DataState("data/in.csv"),
            },
            prevs={"first": replace(lock.prevs["first"], lock_hash=None)},
        ),
    )
    found = verify("results/second")
    assert states() == {
        "code none": "unknown",
        "code gone": "unknown",
        "code old": "same",
        "data given": "unknown",
        "data old": "unknown",
        "data nothing": "unknown",
        "prevs first": "unknown",
        "outputs out": "same",
    }
    assert (found.holds, found.proven) == (True, False)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(LockNotFoundError, match="no run at"):
        verify(tmp_path)
