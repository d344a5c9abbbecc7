"""Files, experiments and overrides are merged in one order."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from flexlock.config import to_plain
from flexlock.config.layers import Layers, assemble
from flexlock.config.overrides import read_overrides
from flexlock.config.restoring import finish
from flexlock.errors import ConfigError, TargetImportError


class Config:
    param = 1
    name: str = "x"
    input_path = "data/input.csv"
    save_dir = "results/process"


class Staged:
    shared = 1

    class process:
        param = 1
        save_dir = "results/process"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def merged(source: Any = Config, *words: str, **layers: Any) -> dict[str, Any]:
    overrides = read_overrides(words)
    return to_plain(finish(assemble(source, Layers(overrides=overrides, **layers))))


def test_file_may_set_only_some(folder: Path) -> None:
    Path("conf.yml").write_text("param: 5\nname: 007\n")
    assert merged(config_files=["conf.yml"]) == {
        "param": 5, "name": "007", "input_path": "data/input.csv", "save_dir": "results/process",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "param: 5\n"),
        ("a.json", '{"param": 5}'),
        ("a.toml", "param = 5\n"),
        ("a.conf", "param: 5\n"),
        ("a.py", "defaults = {'param': 5}\n"),
        ("b.py", "class Config:\n    param = 5\n"),
        ("run.lock", "run_lock: 1\nconfig: {param: 5}\n"),
    ],
)
def test_formats(name: str, text: str) -> None:
    Path(name).write_text(text)
    assert merged(config_files=[name])["param"] == 5


def test_named_object_of_a_python_file_is_a_config() -> None:
    Path("c.py").write_text("class Other:\n    param = 6\n")
    assert merged(config_files=["c.py:Other"])["param"] == 6
    with pytest.raises(TargetImportError, match=r"no 'Othr'.*Did you mean 'Other'"):
        merged(config_files=["c.py:Othr"])


def test_run_directory_gives_the_config_of_its_run(folder: Path) -> None:
    run = folder / "old"
    run.mkdir()
    text = "run_lock: 1\nconfig:\n  param: 5\n  name: a ${b}\n  input_path: '***abc'\n"
    (run / "run.lock").write_text(text)
    with pytest.warns(UserWarning, match="keeps no secrets: 'input_path'"):
        config = merged(config_files=["old"])
    assert config["param"] == 5
    assert config["name"] == "a ${b}"  # text, not an interpolation
    assert config["input_path"] == "data/input.csv"


def test_order_of_layers() -> None:
    Path("a.yml").write_text("param: 2\nname: a\ninput_path: a\nsave_dir: a\n")
    Path("b.yml").write_text("name: b\ninput_path: b\nsave_dir: b\n")
    Path("c.yml").write_text("input_path: c\nsave_dir: c\n")
    config = merged(
        Config, "save_dir", "o",
        config_files=["a.yml", "b.yml"], override_files=["c.yml"],
        keywords={"save_dir": "k", "param": 7},
    )  # fmt: skip
    assert config == {"param": 7, "name": "b", "input_path": "c", "save_dir": "o"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parm: 1\n", r"conf\.yml: There is no parameter 'parm'\. Did you mean 'param'"),
        ("stage: {param: 1}\n", "--experiment stage takes that part"),
        ("name: [1]\n", r"conf\.yml: 'name' must be str, not \['1'\]"),
        ("- 1\n", "holds a list"),
        ("a: [\n", r"conf\.yml, line"),
    ],
)
def test_mistakes_in_files_are_named_with_the_file(text: str, message: str) -> None:
    Path("conf.yml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        merged(config_files=["conf.yml"])


def test_missing_file_suggests_its_neighbour() -> None:
    Path("conf.yml").touch()
    assert merged(config_files=["conf.yml"])["param"] == 1  # empty
    with pytest.raises(ConfigError, match=r"no config file 'cnf\.yml'\. Did you mean 'conf\.yml'"):
        merged(config_files=["cnf.yml"])


MULTI = """
data_root: /data
common: {depth: 3}
process:
  param: 5
  input_path: ${data_root}/in.csv
  name: ${process.param}-${.param}-${save_dir}-${..data_root}
train:
  deep:
    param: 9
value: 3
"""


class TestExperiments:
    @pytest.fixture(autouse=True)
    def file(self) -> None:
        Path("multi.yml").write_text(MULTI)

    def test_defaults_lie_under_the_node(self) -> None:
        config = merged(config_files=["multi.yml"], experiment="process")
        assert config == {
            "param": 5,
            "name": "5-5-results/process-/data",
            "input_path": "/data/in.csv",
            "save_dir": "results/process",
        }

    def test_later_overrides_reach_references_inside_the_node(self) -> None:
        config = merged(
            Config, "param", "6", "save_dir=s", config_files=["multi.yml"], experiment="process"
        )
        assert config["name"] == "6-6-s-/data"

    def test_nested_key(self) -> None:
        config = merged(config_files=["multi.yml"], experiment="train.deep")
        assert (config["param"], config["save_dir"]) == (9, "results/process")

    def test_dictionary_defaults_are_kept_too(self) -> None:
        config = merged(
            {"param": 1, "save_dir": "out"}, config_files=["multi.yml"], experiment="common"
        )
        assert config == {"param": 1, "save_dir": "out", "depth": 3}

    def test_missing_key_lists_those_there_are(self) -> None:
        with pytest.raises(ConfigError, match=r"Did you mean 'process'.*'common', 'process', 'tra"):
            merged(config_files=["multi.yml"], experiment="proces")
        with pytest.raises(ConfigError, match=r"no 'x' below 'train'.*'deep'"):
            merged(config_files=["multi.yml"], experiment="train.x")

    def test_value_is_no_experiment(self) -> None:
        with pytest.raises(ConfigError, match="is the value 3, not a set of parameters"):
            merged(config_files=["multi.yml"], experiment="value")

    def test_unknown_names_in_the_node_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"experiment 'common': .*no parameter 'depth'"):
            merged(config_files=["multi.yml"], experiment="common")

    def test_defaults_that_have_the_node_use_their_own(self) -> None:
        Path("some.yml").write_text("process: {param: 4}\n")
        config = merged(Staged, config_files=["some.yml"], experiment="process")
        assert config == {"param": 4, "save_dir": "results/process"}
        assert merged(Staged, experiment="process")["param"] == 1

    def test_sequence_of_files_is_one_tree(self) -> None:
        Path("more.yml").write_text("process: {param: 8}\ndata_root: /other\n")
        config = merged(config_files=["multi.yml", "more.yml"], experiment="process")
        assert (config["param"], config["input_path"]) == (8, "/other/in.csv")

    def test_reference_to_a_computed_key_is_named_when_it_fails(self) -> None:
        Path("bad.yml").write_text("a: ${nowhere}\nprocess: {param: '${a}'}\n")
        with pytest.raises(ConfigError, match="nowhere"):
            merged(config_files=["bad.yml"], experiment="process")


class TestOverrides:
    @pytest.mark.parametrize(
        ("words", "config"),
        [
            (["a.b=1"], {"a": {"b": 1}}),
            (["a={b: 1}", "a.c=2"], {"a": {"b": 1, "c": 2}}),
            (["a=[1,2]", "a.1=x"], {"a": [1, "x"]}),
            (["a=[1,2]", "a[-1]=x"], {"a": [1, "x"]}),
            (["a=1", "~a"], {}),
            (["a={b: 1}", "a={c: 2}"], {"a": {"b": 1, "c": 2}}),
            (["a=1", "a=null"], {"a": None}),
        ],
    )
    def test_open_configs_take_anything(self, words: list[str], config: dict[str, Any]) -> None:
        assert merged({}, *words) == config

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["a=[1]", "a.1=2"], "is a list of 1, it has no element '1'"),
            (["a=[1]", "a.x=2"], "no element 'x'"),
            (["a=1", "a.b=2"], "'a' is the value 1"),
            (["~gone"], "no parameter 'gone'"),
        ],
    )
    def test_places_that_do_not_exist(self, words: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            merged({}, *words)

    def test_plus_adds_to_declared_names(self) -> None:
        assert merged(Config, "+new=1")["new"] == 1
        assert merged(Config, "+a.b=1")["a"] == {"b": 1}

    def test_number_keys_are_found(self) -> None:
        assert merged({5: "a", "x": 1}, "5=b") == {5: "b", "x": 1}

    def test_whole_group_cannot_be_a_number(self) -> None:
        with pytest.raises(ConfigError, match=r"group of parameters.*'process\.param'"):
            merged(Staged, "process=3")

    def test_typed_mappings_and_lists_type_their_elements(self) -> None:
        config = merged(Typed, "sizes.a=1", "names=[1]", "names.0=007")
        assert config == {"sizes": {"a": 1}, "names": ["007"]}
        with pytest.raises(ConfigError, match=r"'sizes\.a' must be int, not 'q'"):
            merged(Typed, "sizes.a=q")
        with pytest.raises(ConfigError, match=r"'sizes\.a' must be int"):
            merged(Typed, "sizes.a.b=1")


@dataclasses.dataclass
class Typed:
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)
    names: list[str] = dataclasses.field(default_factory=list)


def test_json_values_keep_their_types() -> None:
    Path("a.json").write_text(json.dumps({"a": "1", "b": 1.0, "c": None, "d": ["no"]}))
    assert merged({}, config_files=["a.json"]) == {"a": "1", "b": 1.0, "c": None, "d": ["no"]}


@pytest.mark.parametrize("name", ["bad.json", "bad.toml", "bad.bin"])
def test_damaged_files_are_named(name: str) -> None:
    Path(name).write_bytes(b"\xff\xfe{")
    with pytest.raises(ConfigError, match=name):
        merged(config_files=[name])
