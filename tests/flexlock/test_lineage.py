"""Earlier runs: found by any path, proven by hashes, listed without nesting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flexlock import open_run, runlock
from flexlock.errors import ConfigError, CorruptLockError, LineageError, LockNotFoundError
from flexlock.lineage import find_run, gather, lock_hash, read_lineage
from flexlock.lock.document import read_lock, write_lock
from flexlock.lock.record import PrevState, RunLock


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stage(name: str, *inputs: str, prevs: object = None, text: str = "") -> RunLock:
    """Run one stage: it reads its inputs and writes ``results/<name>/out.txt``."""
    config = {"save_dir": f"results/{name}", "name": name}
    output = Path(f"results/{name}/out.txt")
    handle = runlock(config, [], list(inputs), prevs, outputs={"out": output})
    with handle as run:
        output.write_text(text or name)
        run.result = {"made": name}
    return read_lock(output.parent)


class TestFinding:
    """What names a run."""

    def test_the_directory_the_sheet_and_anything_within(self, here: Path) -> None:
        stage("one")
        sheet = here / "results/one/run.lock"
        for path in ("results/one", "results/one/run.lock", "results/one/out.txt"):
            assert find_run(Path(path)) == sheet
        assert find_run(Path("results/one/not/there/yet")) == sheet

    def test_the_nearest_one_counts(self, here: Path) -> None:
        stage("one")
        stage("one/inner")
        assert find_run(Path("results/one/inner/x")) == here / "results/one/inner/run.lock"
        assert find_run(Path("results/one/other")) == here / "results/one/run.lock"

    def test_kept_sheets(self, here: Path) -> None:
        first = stage("one")
        stage("one")
        kept = here / f"results/one/run.lock.{first.id}"
        assert find_run(kept) == kept

    def test_none(self, here: Path) -> None:
        assert find_run(here / "nothing") is None


class TestGathering:
    """What a sheet says of earlier runs."""

    def test_a_chain_of_three_is_flat(self, here: Path) -> None:
        stage("raw")
        stage("clean", "results/raw/out.txt")
        lock = stage("train", "results/clean/out.txt")
        assert list(lock.prevs) == ["clean", "raw"]
        clean, raw = lock.prevs.values()
        assert (clean.direct, clean.parents, clean.path) == (True, ("raw",), "results/clean")
        assert (raw.direct, raw.parents, raw.path) == (False, (), str(here / "results/raw"))
        assert clean.consumed == {"out": "out"}
        assert clean.status == "complete"
        assert clean.id == read_lock(here / "results/clean").id
        assert clean.lock_hash == lock_hash((here / "results/clean/run.lock").read_bytes())
        assert clean.lock is not None
        assert clean.lock["config"]["name"] == "clean"
        assert clean.lock["result"] == {"made": "clean"}
        assert "prevs" not in clean.lock
        assert lock.warnings == ()

    def test_two_ways_to_one_run(self, here: Path) -> None:
        stage("raw")
        stage("left", "results/raw/out.txt")
        stage("right", "results/raw/out.txt")
        lock = stage("join", "results/left/out.txt", "results/right/out.txt")
        assert list(lock.prevs) == ["left", "right", "raw"]
        assert [p.parents for p in lock.prevs.values()] == [("raw",), ("raw",), ()]
        assert list(lock.data) == ["results/left/out.txt", "results/right/out.txt"]

    def test_asked_for_and_found_by_data_is_one(self, here: Path) -> None:
        stage("raw")
        by_list = stage("a", "results/raw/out.txt", prevs=["results/raw"])
        by_name = stage("b", "results/raw/out.txt", prevs={"first": "results/raw/out.txt"})
        assert list(by_list.prevs) == ["raw"]
        assert list(by_name.prevs) == ["first"]

    def test_same_names_become_paths(self, here: Path) -> None:
        stage("x/run")
        stage("y/run")
        lock = stage("z", prevs=["results/x/run", Path("results/y/run")])
        assert list(lock.prevs) == ["results/x/run", "results/y/run"]

    def test_without_discovery(self, here: Path) -> None:
        stage("raw")
        handle = runlock({"save_dir": "results/a"}, [], ["results/raw/out.txt"], discover=False)
        assert handle.lock.prevs == {}

    def test_missing(self, here: Path) -> None:
        with pytest.raises(LockNotFoundError, match=r"no run at 'nothing', nor above it"):
            gather(["nothing"])
        found = gather({"x": "nothing"}, allow_missing=True)
        assert found.prevs["x"].reason == found.warnings[0]
        with pytest.raises(ConfigError, match="which is no path"):
            gather([3])

    def test_itself(self, here: Path) -> None:
        config = {"save_dir": "results/a"}
        with open_run(Path("results/a"), lock=runlock(config, []).lock):
            (here / "results/a/cache").write_text("x")
            assert runlock(config, [], ["results/a/cache"]).lock.prevs == {}
            with pytest.raises(LineageError, match="cannot be its own earlier run"):
                runlock(config, [], prevs="results/a")

    def test_an_earlier_run_in_the_same_directory(self, here: Path) -> None:
        first = stage("a")
        kept = f"results/a/run.lock.{first.id}"
        with open_run(Path("results/a"), lock=replace(first, id="later")):
            lock = runlock({"save_dir": "results/a"}, [], prevs=kept).lock
        assert [prev.id for prev in lock.prevs.values()] == [first.id]
        assert list(read_lineage(Path("results/a"))) == ["a", f"run.lock.{first.id}"]

    def test_cycle(self, here: Path) -> None:
        lock = runlock({"save_dir": "results/a"}, []).lock
        with open_run(Path("results/a"), lock=lock):
            stage("b", prevs="results/a")
            with pytest.raises(LineageError, match="builds on this very run"):
                runlock({"save_dir": "results/a"}, [], prevs="results/b")

    def test_runs_that_failed_are_warned_about(self, here: Path) -> None:
        with pytest.raises(RuntimeError), runlock({"save_dir": "results/a"}, []):
            raise RuntimeError
        lock = runlock({"save_dir": "results/b"}, [], prevs="results/a").lock
        assert lock.warnings == ("The earlier run 'a' is failed.",)
        assert lock.prevs["a"].status == "failed"
        with pytest.raises(LineageError, match="'a' is failed"):
            runlock({"save_dir": "results/b"}, [], prevs="results/a", strict=True)

    def test_tampered_outputs_are_noticed(self, here: Path) -> None:
        stage("raw")
        (here / "results/raw/out.txt").write_text("other")
        lock = stage("next", "results/raw/out.txt")
        assert lock.prevs["raw"].consumed == {}
        (warning,) = lock.warnings
        assert warning.startswith("'results/raw/out.txt' is not what the run 'raw' left there")

    def test_a_copy_of_an_output_is_proof_too(self, here: Path) -> None:
        stage("raw")
        (here / "copy.txt").write_text("raw")
        lock = stage("next", "copy.txt", prevs="results/raw")
        assert lock.prevs["raw"].consumed == {"copy": "out"}

    def test_corrupt(self, here: Path) -> None:
        (here / "results/a").mkdir(parents=True)
        (here / "results/a/run.lock").write_text("run_lock: 1\nid: [")
        with pytest.raises(CorruptLockError, match=r"results/a/run\.lock"):
            gather("results/a")

    def test_large_results_stay_where_they_are(self, here: Path) -> None:
        with runlock({"save_dir": "results/a"}, []) as run:
            run.result = list(range(5_000))
        lock = stage("b", prevs="results/a")
        assert "result" not in (lock.prevs["a"].lock or {})

    def test_paths_start_from_where_the_run_was(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage("raw")
        stage("clean", "results/raw/out.txt")
        (here / "elsewhere").mkdir()
        monkeypatch.chdir(here / "elsewhere")
        lock = runlock({"save_dir": "out"}, [], prevs="../results/clean").lock
        assert [(n, p.path) for n, p in lock.prevs.items()] == [
            ("clean", str(here / "results/clean")),
            ("raw", str(here / "results/raw")),
        ]


class TestReading:
    """All ancestors of a run, from the disk and from copies in later sheets."""

    def test_chain(self, here: Path) -> None:
        stage("raw")
        stage("clean", "results/raw/out.txt")
        stage("train", "results/clean/out.txt")
        found = read_lineage(Path("results/train/out.txt"))
        assert list(found) == ["train", "clean", "raw"]
        assert found["raw"].config["name"] == "raw"

    def test_runs_that_are_gone_are_read_from_the_copies(self, here: Path) -> None:
        stage("raw")
        stage("clean", "results/raw/out.txt")
        stage("train", "results/clean/out.txt")
        (here / "results/raw/run.lock").unlink()
        (here / "results/clean/run.lock").write_text("run_lock: 1\nid: x\ntimestamp: t\n")
        found = read_lineage(Path("results/train"))
        assert [lock.config.get("name") for lock in found.values()] == ["train", "clean", "raw"]

    def test_older_sheets_nest_and_may_form_cycles(self, here: Path) -> None:
        for name, prev in (("a", "b"), ("b", "a")):
            (here / name).mkdir()
            (here / name / "run.lock").write_text(
                f"timestamp: 2026-01-01T00:00:00\nrepos: {{}}\ndata: {{}}\n"
                f"config: {{save_dir: {name}}}\n"
                f"lineage: {{{prev}: {{path: {here / prev}, info: {{config: {{x: 1}}}}}}}}\n"
            )
        assert list(read_lineage(Path("a"))) == ["a", "b"]

    def test_links_only(self, here: Path) -> None:
        lost = PrevState("gone", "01", "blake3:00", lock=None)
        write_lock(here, RunLock("02", "t", prevs={"gone": lost}))
        assert list(read_lineage(here)) == [here.name]

    def test_missing(self, here: Path) -> None:
        with pytest.raises(LockNotFoundError):
            read_lineage(here)
