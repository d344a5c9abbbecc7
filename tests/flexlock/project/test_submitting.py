"""Runs that are submitted from Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flexlock import Project, read_lock, run_status, submit
from flexlock.errors import ConfigError, LockError, TaskError
from flexlock.project import ExecutionResult
from flexlock.run import open_run
from flexlock.tags import list_tags

PREPARE = {"_target_": "steps.prepare", "text": "ab"}
TRAIN = {"_target_": "steps.train", "lr": 0.5, "save_dir": "results/train"}


@pytest.fixture
def runs(project: Path) -> Project:
    return Project({"root": "results", "prepare": PREPARE, "train": TRAIN,
                    "seed": {"_target_": "steps:main", "save_dir": "${root}/seed"}})  # fmt: skip


def one(result: object) -> ExecutionResult:
    assert isinstance(result, ExecutionResult)
    return result


def many(results: object) -> list[ExecutionResult]:
    assert isinstance(results, list)
    return results


class TestSingle:
    def test_result_and_sheet(self, runs: Project, project: Path) -> None:
        result = one(runs.submit("prepare", overrides={"times": 3}, note="first"))
        assert (result.status, result.is_success, result.error) == ("SUCCESS", True, None)
        assert result.save_dir == Path("results/prepare")
        assert result.result == result.metrics == {"length": 6}
        assert (result.length, result["length"], result.get("other", 1)) == (6, 6, 1)
        with pytest.raises(AttributeError, match="other"):
            _ = result.other
        assert result.cfg["times"] == 3
        lock = read_lock(result.save_dir)
        assert (lock.status, lock.note) == ("complete", "first")
        assert (lock.caller.file, lock.caller.function) == ("steps.py", "prepare")
        assert lock.config["_target_"] == "steps.prepare"
        assert (result.save_dir / "out.txt").read_text() == "ababab"
        assert result.raise_on_failure() is result

    def test_function_that_takes_no_save_dir(self, runs: Project) -> None:
        runs.submit("prepare")
        result = one(runs.submit("train", overrides=["lr", "0.25"]))
        assert result.loss == 4
        assert result.get("get") == "taken", "methods win over keys of the result"
        assert Path("results/train/model.txt").read_text() == "0.25 abab"

    def test_decorated_function_keeps_its_class_and_its_sheet(self, runs: Project) -> None:
        result = one(runs.submit("seed", overrides=["param", "7"]))
        assert result.result == 7
        assert list(read_lock(Path("results/seed")).data) == ["steps"]

    def test_nested_targets_are_made(self, project: Path) -> None:
        node = {"_target_": "steps.fit", "model": {"_target_": "steps.Model", "size": 4}, "x": 1}
        assert one(submit(node)).result == {"size": 4, "x": 1}
        literal = {**node, "x": r"a \${b}"}
        assert one(submit(literal)).result == {"size": 4, "x": "a ${b}"}

    def test_function_itself_and_file_address(self, project: Path) -> None:
        from flexlock.target import load_function

        assert one(submit(load_function("steps.prepare"))).length == 2
        assert one(submit({"_target_": "steps.py:prepare", "times": 5})).length == 5

    @pytest.mark.parametrize(
        ("rate", "error"), [(-1, "ValueError: no learning with -1"), (2, "SystemExit: 3")]
    )
    def test_failure_is_a_result(self, runs: Project, rate: float, error: str) -> None:
        result = one(runs.submit("train", overrides={"lr": rate}))
        assert (result.status, result.is_success, result.result) == ("FAILED", False, None)
        assert result.error == f"{error}.0" if rate == -1 else error
        assert result.save_dir is not None
        assert run_status(result.save_dir).name == "failed"
        with pytest.raises(TaskError, match="failed"):
            result.raise_on_failure()
        if rate == -1:
            with pytest.raises(ValueError, match="no learning"):
                runs.submit("train", overrides={"lr": rate}, debug=True)

    def test_what_is_wrong_before_the_run_is_raised(self, runs: Project) -> None:
        for wrong, match in (
            (lambda: runs.submit("trian"), "Did you mean 'train'"),
            (lambda: runs.submit("train", overrides={"rate": 1}), "no parameter 'rate'"),
            (lambda: runs.submit("root"), "not a set of parameters"),
            (lambda: runs.submit(), "names no function"),
            (lambda: runs.submit({"_target_": "steps.nothing"}), "no function 'nothing'"),
            (lambda: runs.submit({"_target_": "steps.train"}), "No value for 'lr'"),
            (lambda: runs.submit("train", n_jobs=2), "single run"),
            (lambda: runs.submit("train", wait=False), "cluster"),
            (lambda: runs.submit("train", sweep_target="lr"), "without a sweep"),
            (lambda: runs.submit("train", search_dirs=["x"]), "reuse"),
            (lambda: Project().submit("x"), "no defaults"),
        ):
            with pytest.raises(ConfigError, match=match):
                wrong()
        assert not Path("results").exists()

    def test_tag(self, runs: Project) -> None:
        runs.submit("prepare", tag="v1", note="for the paper")
        (tag,) = list_tags(Path())
        assert (tag.name, tag.message) == ("v1", "for the paper")

    def test_dry_run(self, runs: Project, capsys: pytest.CaptureFixture[str]) -> None:
        result = one(runs.submit("prepare", dry_run=True))
        assert (result.status, result.save_dir) == ("SKIPPED", Path("results/prepare"))
        assert "would run steps:prepare in results/prepare" in capsys.readouterr().out
        assert not Path("results").exists()

    def test_directory_of_a_run_without_one(self, project: Path) -> None:
        result = one(submit({"_target_": "steps.fit", "model": {"_target_": "steps.Model"},
                             "save_dir": None}))  # fmt: skip
        assert result.save_dir is not None
        assert result.save_dir.parent == Path("outputs/fit")

    def test_process_of_its_own(self, runs: Project) -> None:
        runs.submit("prepare")
        result = one(runs.submit("train", isolated=True))
        assert result.status == "SUCCESS", result.error
        assert result.pid != os.getpid()
        assert read_lock(Path("results/train")).status == "complete"
        again = one(runs.submit("train", isolated=True))
        assert (again.status, again.pid != result.pid) == ("SUCCESS", True)
        failed = one(runs.submit("train", isolated=True, overrides={"lr": -1}))
        assert failed.status == "FAILED"
        assert "no learning" in (failed.error or "")

    def test_reuse(self, runs: Project) -> None:
        first = one(runs.submit("prepare", reuse="exact"))
        second = one(runs.submit("prepare", reuse="exact"))
        moved = one(runs.submit("prepare", reuse="exact", overrides={"save_dir": "results/copy"}))
        assert [r.status for r in (first, second, moved)] == ["SUCCESS", "CACHED", "CACHED"]
        assert moved.result == first.result
        assert "reused" in read_lock(Path("results/copy")).extra
        (Path("steps.py")).write_text(Path("steps.py").read_text() + "# edited\n")
        assert one(runs.submit("prepare", reuse="exact")).status == "SUCCESS"
        with pytest.raises(ConfigError, match="in this process"):
            runs.submit("prepare", reuse="exact", isolated=True)


class TestPlaces:
    def policy(self, runs: Project, policy: Any, **more: Any) -> ExecutionResult:
        return one(runs.submit("prepare", save_dir_policy=policy, **more))

    def test_default_repeats(self, runs: Project) -> None:
        first = read_lock(self.policy(runs, "rerun").save_dir or Path()).id
        assert self.policy(runs, "rerun").save_dir == Path("results/prepare")
        assert Path(f"results/prepare/run.lock.{first}").exists()

    def test_raise(self, runs: Project) -> None:
        self.policy(runs, "raise")
        with pytest.raises(LockError, match="holds a run already"):
            self.policy(runs, "raise")
        assert self.policy(runs, "raise", force=True).status == "SUCCESS"

    def test_increment(self, runs: Project) -> None:
        found = [self.policy(runs, "increment").save_dir for _ in range(2)]
        assert found == [Path("results/prepare_0000"), Path("results/prepare_0001")]
        assert [f.name for f in Path("results/prepare_0001").glob("out.*")] == ["out.txt"]

    def test_timestamp(self, runs: Project) -> None:
        found = {self.policy(runs, "timestamp").save_dir for _ in range(2)}
        assert len(found) == 2
        assert {folder.parent for folder in found if folder} == {Path("results/prepare")}

    def test_overwrite(self, runs: Project) -> None:
        self.policy(runs, "rerun")
        Path("results/prepare/old.txt").write_text("x")
        Path("results/prepare/more").mkdir()
        self.policy(runs, "overwrite")
        assert not Path("results/prepare/old.txt").exists()
        assert not list(Path("results/prepare").glob("run.lock.*"))
        Path("mine").mkdir()
        Path("mine/notes.txt").write_text("x")
        with pytest.raises(LockError, match="not a run directory"):
            runs.submit("prepare", save_dir_policy="overwrite", overrides={"save_dir": "mine"})
        with (
            open_run(Path("results/alive"), lock=read_lock(Path("results/prepare"))),
            pytest.raises(LockError, match="going on"),
        ):
            runs.submit(
                "prepare", save_dir_policy="overwrite", overrides={"save_dir": "results/alive"}
            )

    def test_skip(self, runs: Project) -> None:
        self.policy(runs, "skip")
        kept = self.policy(runs, "skip", overrides={"times": 9})
        assert (kept.status, kept.is_success, kept.length) == ("SKIPPED", True, 4)
        assert self.policy(runs, "skip", overrides={"times": 9}, force=True).length == 18


class TestSweep:
    def test_values_in_order_and_again(self, runs: Project) -> None:
        runs.submit("prepare")
        found = many(runs.submit("train", sweep=[0.5, -1, 0.25], sweep_target="lr"))
        assert [r.status for r in found] == ["SUCCESS", "FAILED", "SUCCESS"]
        assert [r.get("loss") for r in found] == [2, None, 4]
        assert "no learning with -1.0" in (found[1].error or "")
        assert found[0].save_dir == Path("results/train/lr=0.5")
        assert found[0].cfg["lr"] == 0.5
        assert found[0].task_db == Path("results/train")
        lock = read_lock(Path("results/train/lr=0.5"))
        assert (lock.caller.function, lock.parent) == (
            "train", read_lock(Path("results/train")).id,
        )  # fmt: skip
        again = many(runs.submit("train", sweep=[0.5, -1, 0.25], sweep_target="lr"))
        assert [r.status for r in again] == ["CACHED", "FAILED", "CACHED"]
        forced = many(runs.submit("train", sweep=[0.5], sweep_target="lr", force=True))
        assert [r.status for r in forced] == ["SUCCESS"]

    def test_workers(self, runs: Project) -> None:
        runs.submit("prepare")
        found = many(runs.submit("train", sweep=[0.5, 0.25], sweep_target="lr", n_jobs=2))
        assert [r.loss for r in found] == [2, 4]
        assert os.getpid() not in {r.pid for r in found}

    def test_mappings_files_and_place(self, runs: Project) -> None:
        found = many(runs.submit("prepare", sweep=[{"times": 1}, {"text": "xyz"}], sweep_root="s"))
        assert [r.length for r in found] == [2, 6]
        assert found[0].save_dir == Path("s/times=1")
        Path("list.csv").write_text("times\n3\n")
        assert [r.length for r in many(runs.submit("prepare", sweep="list.csv"))] == [6]

    def test_nothing_and_wrong_things(self, runs: Project, capsys: Any) -> None:
        assert runs.submit("prepare", sweep=[], sweep_target="times") == []
        for wrong in ({"sweep": [1]}, {"sweep": ["x"], "sweep_target": "times"},
                      {"sweep": [1], "sweep_target": "tims"},
                      {"sweep": [1], "sweep_target": "times", "save_dir_policy": "skip"},
                      {"sweep": [1], "sweep_target": "times", "reuse": "exact"},
                      {"save_dir_policy": "nah"},
                      {"sweep": [1], "sweep_target": "times", "debug": True}):  # fmt: skip
            with pytest.raises(ConfigError):
                runs.submit("prepare", **wrong)  # type: ignore[arg-type]
        assert not Path("results").exists()
        found = many(runs.submit("prepare", sweep=[1], sweep_target="times", dry_run=True))
        assert [r.status for r in found] == ["SKIPPED"]
        assert "times=1" in capsys.readouterr().out
        assert not Path("results").exists()
