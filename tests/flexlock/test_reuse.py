"""Finished runs that stand for new ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flexlock.lock.composing import compose_lock
from flexlock.lock.document import read_lock
from flexlock.lock.record import Caller, RunLock
from flexlock.reuse import Match, Miss, find_match, fingerprint, record_reuse, why
from flexlock.run import open_run, run_status
from flexlock_projects import git, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_project(tmp_path / "project", {"process.py": "a = 1\n", "lib/helper.py": "b = 1\n"})
    (root / "data").mkdir()
    (root / "data/in.csv").write_text("1\n")
    monkeypatch.chdir(root)
    return root


def asked(name: str = "new", *, commit: bool = False, **given: Any) -> RunLock:
    """The sheet of a run that could start now in ``results/<name>``."""
    config = {"save_dir": f"results/{name}", "lr": 0.1, **given.pop("config", {})}
    given.setdefault("data", ["data/in.csv"])
    caller = Caller("process", "main", str(Path("process.py").absolute()))
    return compose_lock(config, caller=caller, commit=commit, **given)


def done(name: str, files: Mapping[str, str] | None = None, **given: Any) -> Path:
    """A finished run in ``results/<name>`` whose files are its outputs."""
    folder = Path("results", name)
    with open_run(folder, lock=asked(name, commit=True, **given)) as session:
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
            session.outputs[file] = folder / file
        session.result = {"score": 1}
    return folder


def told(lock: RunLock, folder: str = "results") -> str:
    found = why(lock, [folder])
    assert isinstance(found, Miss)
    return str(found)


class TestMatch:
    def test_same_run_is_found_and_another_is_not(self, project: Path) -> None:
        done("one", config={"lr": 0.2})
        folder = done("two", {"out.txt": "x"})
        match = find_match(asked(), ["results"])
        assert match is not None
        assert match.path == folder
        assert match.lock.result == {"score": 1}
        assert "its 1 recorded output is still there" in str(match)
        assert json.loads(json.dumps(match.to_json()))["outputs"] == 1

    def test_newest_of_several(self, project: Path) -> None:
        done("a")
        folder = done("b")
        match = find_match(asked(), ["results"])
        assert match is not None
        assert match.path == folder

    def test_same_files_in_another_commit_are_the_same_code(self, project: Path) -> None:
        done("one")
        git(project, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
        assert find_match(asked(), ["results"]) is not None

    def test_what_only_the_function_declared_is_looked_at_again(self, project: Path) -> None:
        done("prep", {"out.txt": "1"}, data=[], config={"lr": 0})
        done("one", data=["data/in.csv"], prevs=["results/prep"], repos={"code": "."})
        assert find_match(asked(data=None), ["results"]) is not None
        Path("data/in.csv").write_text("2\n")
        assert find_match(asked(data=None), ["results"]) is None
        Path("data/in.csv").write_text("1\n")
        done("prep", {"out.txt": "1"}, data=[], config={"lr": 0})
        assert find_match(asked(data=None), ["results"]) is not None, "it left the same"
        done("prep", {"out.txt": "2"}, data=[], config={"lr": 0})
        assert "prevs: prep" in told(asked(data=None))

    def test_lookup_makes_no_commit_and_no_ref(self, project: Path) -> None:
        done("one")
        (project / "lib/helper.py").write_text("b = 2\n")
        before = git(project, "for-each-ref")
        count = git(project, "count-objects")
        lock = asked()
        assert lock.repos["main"].tree is not None
        assert lock.repos["main"].commit is None
        assert find_match(lock, ["results"]) is None
        assert "code: main/lib/helper.py: differs" in told(lock)
        assert git(project, "for-each-ref") == before
        assert git(project, "count-objects") != count, "trees, to name the files that differ"
        assert not git(project, "fsck", "--unreachable", "--no-reflogs").count("commit")

    def test_code_that_was_never_committed(self, project: Path) -> None:
        (project / "process.py").write_text("a = 2\n")
        done("one")
        match = find_match(asked(), ["results"])
        assert match is not None
        assert record_reuse(match, Path("results/new")).repos["main"].commit is not None

    def test_scope_of_the_code(self, project: Path) -> None:
        repos = {"main": {"path": ".", "include": ["process.py"]}}
        done("one", repos=repos)
        (project / "lib/helper.py").write_text("b = 2\n")
        git(project, "commit", "--quiet", "-am", "Second")
        assert find_match(asked(repos=repos), ["results"]) is not None
        (project / "process.py").write_text("a = 2\n")
        assert find_match(asked(repos=repos), ["results"]) is None

    def test_one_read_a_sheet(self, project: Path) -> None:
        for number in range(3):
            done(f"run{number}", config={"lr": number})
        read: list[str] = []
        real = Path.read_bytes

        def counted(path: Path) -> bytes:
            if path.name == "run.lock":
                read.append(path.parent.name)
            return real(path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "read_bytes", counted)
            assert find_match(asked(), ["results"]) is None
        assert sorted(read) == ["run0", "run1", "run2"]

    def test_folders_may_be_missing_or_named_twice(self, project: Path) -> None:
        assert find_match(asked(), ["results", "nowhere"]) is None
        done("one")
        found = why(asked(config={"lr": 1}), ["results", ".", "results/one"])
        assert isinstance(found, Miss)
        assert found.searched == 1


class TestMiss:
    def test_no_run_at_all(self, project: Path) -> None:
        assert told(asked()) == "There is no finished run to reuse."

    def test_each_thing_that_differs_is_named_of_the_nearest(self, project: Path) -> None:
        done("far", config={"lr": 5, "n": 2, "more": [1]})
        near = done("near", config={"lr": 5})
        Path("data/in.csv").write_text("2\n")
        (project / "uv.lock").write_text("version = 1\n")
        git(project, "add", "uv.lock")
        found = why(asked(), ["results"])
        assert isinstance(found, Miss)
        assert found.path == near
        assert [(d.section, d.key) for d in found.differences] == [
            ("code", "main/uv.lock"),
            ("config", "lr"),
            ("data", "in"),
            ("env", "env:main/uv.lock"),
        ]
        assert "config: lr: 0.1 != 5" in str(found)
        assert "results/near" in found.short
        assert json.loads(json.dumps(found.to_json()))["searched"] == 2

    @pytest.mark.parametrize("end", [ValueError("no"), KeyboardInterrupt()])
    def test_run_that_did_not_end_well(self, project: Path, end: BaseException) -> None:
        with pytest.raises(type(end)), open_run(Path("results/one"), lock=asked("one")):
            raise end
        assert find_match(asked(), ["results"]) is None

    @pytest.mark.parametrize("text", ["changed", None])
    def test_output_that_is_not_there_any_longer(self, project: Path, text: str | None) -> None:
        folder = done("one", {"out.txt": "x"})
        (folder / "out.txt").unlink()
        if text is not None:
            (folder / "out.txt").write_text(text)
        assert find_match(asked(), ["results"]) is None
        assert "Its output 'out.txt' is " + ("changed" if text else "missing") in told(asked())

    def test_another_function(self, project: Path) -> None:
        done("one")
        lock = asked()
        lock = replace(lock, caller=replace(lock.caller, function="evaluate"))
        assert "code: function: process.py:evaluate != process.py:main" in told(lock)

    def test_what_cannot_be_told_is_never_the_same(self, project: Path) -> None:
        done("one", repos=[])
        assert fingerprint(asked(repos=[])) is None
        assert "No code is recorded." in told(asked(repos=[]))
        done("two", data=["gone"], allow_missing=True)
        assert "The data 'gone'" in told(asked(data=["gone"], allow_missing=True))

    def test_large_file_that_is_not_stored_counts(self, project: Path) -> None:
        (project / "weights.bin").write_bytes(b"0" * 10_000_001)
        done("one")
        assert find_match(asked(), ["results"]) is not None
        (project / "weights.bin").write_bytes(b"1" * 10_000_001)
        assert "main/weights.bin" in told(asked())

    def test_repository_within_counts(self, project: Path) -> None:
        make_project(project / "vendor", {"x.py": "1\n"})
        done("one")
        assert find_match(asked(), ["results"]) is not None
        (project / "vendor/x.py").write_text("2\n")
        assert "code: main/vendor" in told(asked())

    def test_damaged_sheets_do_not_disturb(self, project: Path) -> None:
        folder = done("one")
        broken = project / "results/broken"
        broken.mkdir()
        text = (folder / "run.lock").read_text()
        (broken / "run.lock").write_text(text[: len(text) // 2] + "\nstatus: complete\n: [")
        match = find_match(asked(), ["results"])
        assert match is not None
        assert match.path == folder


class TestRecord:
    def test_sheet_says_which_run_stands_for_it(self, project: Path) -> None:
        folder = done("one", {"out.txt": "x"})
        first = read_lock(folder)
        match = find_match(asked("two"), ["results"])
        assert match is not None
        record_reuse(match, Path("results/two"))
        lock = read_lock(Path("results/two"))
        assert lock.extra["reused"] == first.id != lock.id
        assert lock.extra["reused_from"] == str(project / "results/one")
        assert (lock.status, lock.result) == ("complete", {"score": 1})
        assert lock.outputs["out.txt"].path == str(project / "results/one/out.txt")
        assert lock.outputs["out.txt"].hash == first.outputs["out.txt"].hash
        assert run_status(Path("results/two")).name == "complete"
        assert fingerprint(lock) == fingerprint(first)

    def test_reuse_of_a_reuse_names_the_run_that_ran(self, project: Path) -> None:
        first = read_lock(done("one", {"out.txt": "x"})).id
        for name in ("two", "three"):
            match = find_match(asked(name), ["results"])
            assert match is not None
            lock = record_reuse(match, Path("results", name))
            assert (lock.extra["reused"], lock.extra["reused_from"]) == (
                first,
                str(project / "results/one"),
            )
        assert match.path.name == "two"

    def test_nothing_is_written_in_its_own_directory(self, project: Path) -> None:
        folder = done("one", {"out.txt": "x"})
        before = {p: p.read_bytes() for p in folder.iterdir()}
        found = why(asked("one"), ["results"])
        assert isinstance(found, Match)
        assert record_reuse(found, Path("results/one")).id == found.lock.id
        assert {p: p.read_bytes() for p in folder.iterdir()} == before

    def test_run_that_stands_for_another_is_not_cleaned_up(self, project: Path) -> None:
        from flexlock.cleaning import collect

        done("one", {"out.txt": "x"})
        match = find_match(asked("two"), ["results"])
        assert match is not None
        record_reuse(match, Path("results/two"))
        going, staying = collect(Path("results"))
        assert [candidate.path.name for candidate in going] == ["two"]
        assert "stands for" in dict(staying)[Path("results/one")]
