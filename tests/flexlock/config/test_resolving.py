"""Interpolations are evaluated once, before the run, and reading has no side effects."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from flexlock import open_run, read_lock
from flexlock.config import declared, pin, resolve, to_config, to_plain
from flexlock.config.interpolation import escape, find_references
from flexlock.config.layers import Layers, assemble
from flexlock.config.overrides import read_overrides
from flexlock.config.restoring import finish
from flexlock.errors import ConfigError, LockNotFoundError, UnresolvedInterpolationError
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import Caller, RunLock

SOURCES = str(Path(__file__).parents[3] / "src")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Config:
    param = 1
    folder = "data"
    input_path = "${runlock_data:${folder}/input.csv}"
    before = "${runlock_prev:${folder}/pre}"
    again = "${input_path}"
    save_dir = Path("results")
    out: Path = "${save_dir}/p${param}"  # type: ignore[assignment]
    nested: ClassVar[dict[str, Any]] = {
        "list": ["${param}", {"deep": "${nested.other}"}],
        "other": "x",
    }


class TestResolve:
    def test_every_interpolation_becomes_its_value(self) -> None:
        config = finish(assemble(Config, Layers(overrides=read_overrides(["param", "3"]))))
        assert to_plain(config, resolve=False) == {
            "out": "results/p3", "param": 3, "folder": "data", "input_path": "data/input.csv",
            "before": "data/pre", "again": "data/input.csv", "save_dir": "results",
            "nested": {"list": [3, {"deep": "x"}], "other": "x"},
        }  # fmt: skip
        assert isinstance(config.out, Path)  # by its declared type

    def test_config_itself_keeps_its_interpolations(self) -> None:
        config = to_config(Config)
        resolve(config)
        assert to_plain(config, resolve=False)["input_path"].startswith("${runlock_data")

    def test_value_with_a_dollar_sign_is_text(self) -> None:
        config = to_config({"a": r"\${x} and ${b}", "b": r"\${y}"})
        once = resolve(config)
        assert once.a == "${x} and ${y}"
        assert resolve(once).a == "${x} and ${y}"
        assert to_plain(once) == {"a": "${x} and ${y}", "b": "${y}"}

    @given(st.text("ab${}\\:.", max_size=12))
    def test_escaped_text_is_itself(self, text: str) -> None:
        config = resolve(to_config({"a": escape(text), "b": "${a}"}))
        assert (config.a, config.b) == (text, text)
        assert list(find_references(escape(text))) == []

    def test_part_of_a_larger_config_keeps_its_references(self) -> None:
        whole = OmegaConf.create({"root": "/d", "part": {"path": "${root}/x"}})
        assert resolve(whole.part) == {"path": "/d/x"}
        assert to_plain(whole.part) == {"path": "/d/x"}

    @pytest.mark.parametrize(
        ("tree", "words"),
        [
            ({"a": {"b": "${c}"}}, r"'\$\{c\}' of 'a\.b'.*'c' not found"),
            ({"a": "${zz:1}"}, "Unsupported interpolation type zz"),
            ({"a": "${b}", "b": "${a}"}, "Recursive"),
        ],
    )
    def test_what_has_no_value_names_its_key(self, tree: dict[str, Any], words: str) -> None:
        with pytest.raises(UnresolvedInterpolationError, match=words):
            resolve(to_config(tree))

    def test_parameters_without_a_value_are_listed(self) -> None:
        with pytest.raises(ConfigError, match=r"No value for 'a', 'b\.c'.*`-o a VALUE`"):
            resolve(to_config({"a": "???", "b": {"c": "???"}}))
        assert to_plain({"a": "???"}) == {"a": "???"}

    def test_values_that_became_of_a_wrong_type_are_refused(self) -> None:
        class Typed:
            number: int = "${text}"  # type: ignore[assignment]
            text: str = "abc"

        with pytest.raises(ConfigError, match="'number' must be int, not 'abc'"):
            finish(assemble(Typed))


class TestTracking:
    def test_value_is_the_path_and_the_path_is_declared(self) -> None:
        config = to_config(Config)
        found = declared(config)
        assert (found.data, found.prevs) == (("data/input.csv",), ("data/pre",))

    def test_finished_config_still_knows_also_in_another_process(self) -> None:
        config = finish(assemble(Config, Layers(overrides=read_overrides(["folder", "other"]))))
        for copy in (config, resolve(config), pickle.loads(pickle.dumps(config))):
            assert declared(copy).data == ("other/input.csv",)

    def test_overridden_paths_are_not_declared(self) -> None:
        layers = Layers(overrides=read_overrides(["input_path", "mine.csv"]))
        assert declared(finish(assemble(Config, layers))).data == ()

    def test_section_declares_too(self) -> None:
        tree = {
            "in": "a.csv",
            "runlock": {
                "data": {"train": "${runlock_data:${in}}", "extra": {"path": "b", "hash": "stat"}},
                "prevs": "${runlock_prev:c}",
                "repos": ["."],
            },
        }
        found = declared(to_config(tree))
        assert found.data == ()  # they have names
        assert found.named == {"train": "a.csv", "extra": {"path": "b", "hash": "stat"}}
        assert found.prevs == ("c",)
        assert found.repos == ["."]
        listed = declared(to_config({"_snapshot_": {"data": ["x", "y"], "prevs": ["z"]}}))
        assert (listed.data, listed.prevs) == (("x", "y"), ("z",))

    def test_reading_a_config_touches_no_file(self, folder: Path) -> None:
        declared(to_config(Config))
        resolve(to_config({"a": "${vinc:out/run}", "b": "${now:}"}))
        assert list(folder.iterdir()) == []


class TestOneValuePerRun:
    def test_now_is_one_time_however_often_it_is_read(self) -> None:
        config = to_config({"a": "${now:%s}", "b": "${now:%s}", "c": "${now:}", "d": "${now:%s}"})
        first = resolve(config)
        time.sleep(1.1)
        again = resolve(config)
        assert first.a == first.b == again.a == again.d
        assert first.c == time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime(int(first.a)))

    def test_default_format_is_a_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLEXLOCK_TIMESTAMP_FORMAT", "%Y")
        assert resolve(to_config({"a": "${now:}"})).a == time.strftime("%Y")

    def test_another_librarys_resolver_of_the_name_is_no_matter(self) -> None:
        resolve(to_config({"a": "${now:}"}))
        OmegaConf.register_new_resolver("now", lambda pattern: pattern, replace=True)
        assert resolve(to_config({"a": "${now:%Y}"})).a == time.strftime("%Y")

    def test_vinc_is_the_next_free_number(self, folder: Path) -> None:
        assert resolve(to_config({"a": "${vinc:out/run}"})).a == "out/run_0000"
        (folder / "out" / "run_0000").mkdir(parents=True)
        (folder / "out" / "run_0001").touch()
        config = to_config(
            {"a": "${vinc:out/run}", "b": "${vinc:out/run}/x", "c": "${vinc:r,%02d}"}
        )
        resolved = resolve(config)
        assert (resolved.a, resolved.b, resolved.c) == ("out/run_0002", "out/run_0002/x", "r_00")
        (folder / "out" / "run_0002").mkdir()
        assert resolve(config).a == "out/run_0002"  # ours for this run
        assert resolve(to_config({"a": "${vinc:out/run}"})).a == "out/run_0003"

    def test_vinc_refuses_a_format_without_a_number(self) -> None:
        with pytest.raises(ConfigError, match="cannot number a path with"):
            resolve(to_config({"a": "${vinc:run,%s%s}"}))

    def test_sweep_pins_what_its_tasks_do_not_change(self, folder: Path) -> None:
        config = to_config(
            {
                "param": 1, "base": "out", "stamp": "${now:%Y}", "save_dir": "${vinc:${base}/r}/p",
                "mine": "${save_dir}/${param}/${now:%Y}", "input": "${runlock_data:${base}/i}",
                "newest": "${latest:*.csv,none}", "deep": {"x": "${param}"}, "y": "${deep}",
            }
        )  # fmt: skip
        pinned = pin(config, frozenset({"param"}))
        year = time.strftime("%Y")
        assert to_plain(pinned, resolve=False) == {
            "param": 1, "base": "out", "stamp": year, "save_dir": "out/r_0000/p",
            "mine": f"out/r_0000/p/${{param}}/{year}", "input": "${runlock_data:out/i}",
            "newest": "${latest:*.csv,none}", "deep": {"x": "${param}"}, "y": "${deep}",
        }  # fmt: skip
        copy = pickle.loads(pickle.dumps(pinned))
        copy.param = 7
        assert resolve(copy).mine == f"out/r_0000/p/7/{year}"
        assert declared(pinned).data == ("out/i",)


class TestLatest:
    def test_newest_match_or_the_default(self, folder: Path) -> None:
        for age, name in enumerate(("b.csv", "a.csv", "c.txt")):
            (folder / name).touch()
            os.utime(folder / name, (1000 - age, 1000 - age))
        assert resolve(to_config({"a": "${latest:*.csv}"})).a == "b.csv"
        assert resolve(to_config({"a": "${latest:*.dat,none}"})).a == "none"
        with pytest.raises(ConfigError, match=r"latest:\*\.dat.* matches nothing"):
            resolve(to_config({"a": "${latest:*.dat}"}))


def test_importing_registers_nothing_and_registering_twice_is_fine() -> None:
    code = (
        "import flexlock, flexlock.config, flexlock.config.resolvers as r, sys\n"
        "assert 'omegaconf' not in sys.modules and 'yaml' not in sys.modules\n"
        "from omegaconf import OmegaConf\n"
        "assert not OmegaConf.has_resolver('runlock_data')\n"
        "OmegaConf.register_new_resolver('now', lambda p: 'theirs')\n"
        "r.register_resolvers(); r.register_resolvers()\n"
        "OmegaConf.clear_resolvers()\n"
        "print(flexlock.config.resolve(flexlock.config.to_config({'a': '${runlock_data:x}'})).a)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": SOURCES}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "x\n"


class TestEarlierRuns:
    @pytest.fixture
    def runs(self, folder: Path) -> Path:
        for name, function, score, fails in (
            ("a", "train", 0.5, False), ("b", "train", 0.7, False), ("c", "train", 0.9, True),
            ("d", "other", 0.1, False),
        ):  # fmt: skip
            lock = RunLock(
                id=new_run_id(),
                timestamp=f"2026-11-2{'abcd'.index(name)}T00:00:00+00:00",
                caller=Caller("__main__", function, "stages/fit.py"),
                config={"lr": 0.1, "deep": {"sizes": [1, 2]}},
            )
            with suppress(ZeroDivisionError), open_run(folder / "runs" / name, lock=lock) as run:
                run.result = {"score": 1 / 0 if fails else score}
        return folder / "runs"

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("${run_lock:runs/a,result.score}", 0.5),
            ("${run_lock:runs/a,config.deep.sizes.1}", 2),
            ("${run_lock:runs/a,lr}", 0.1),
            ("${run_lock:runs/a,config.deep}", {"sizes": [1, 2]}),
            ("${run_lock:runs/a,caller.function}", "train"),
            ("${run_lock:runs/a,nothing,7}", 7),
            ("${run_lock:runs/gone,lr,8}", 8),
        ],
    )
    def test_values_of_a_run_sheet(self, runs: Path, text: str, value: Any) -> None:
        config = to_config({"a": text})
        assert resolve(config).a == value
        assert declared(config).prevs[0].startswith("runs/")

    def test_missing_values_name_the_sheet(self, runs: Path) -> None:
        with pytest.raises(ConfigError, match=r"sheet of 'runs/a' has no 'nothing'"):
            resolve(to_config({"a": "${run_lock:runs/a,nothing}"}))
        with pytest.raises(LockNotFoundError, match="gone"):
            resolve(to_config({"a": "${run_lock:runs/gone,lr}"}))

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("${run:train}", "runs/b"),
            ("${run:fit}", "runs/d"),
            ("${run:fit:train}", "runs/b"),
            ("${run:a}", "runs/a"),
            ("${run:train,result.score}", 0.7),
            ("${run:other,'','',strict}", "runs/d"),
        ],
    )
    def test_newest_complete_run_of_a_name(self, runs: Path, text: str, value: Any) -> None:
        config = to_config({"a": text})
        assert resolve(config).a == value
        assert len(declared(config).prevs) == 1

    def test_run_can_be_pinned_or_asked_for_strictly(self, runs: Path) -> None:
        first = read_lock(runs / "a").id
        assert resolve(to_config({"a": f"${{run:train,'',{first}}}"})).a == "runs/a"
        for text in ("${run:train,'','',strict}", "${run:nobody}"):
            with pytest.raises(ConfigError, match="no complete run of"):
                resolve(to_config({"a": text}))
        with pytest.raises(ConfigError, match="does not know the mode 'loose'"):
            resolve(to_config({"a": "${run:train,'','',loose}"}))

    def test_sweep_leaves_run_lock_to_its_tasks(self, runs: Path) -> None:
        pinned = pin(to_config({"a": "${run_lock:runs/a,lr}", "b": "${run:train}"}))
        assert to_plain(pinned, resolve=False) == {"a": "${run_lock:runs/a,lr}", "b": "runs/b"}
