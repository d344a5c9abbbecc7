"""Reading configuration files as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml.config import ConfigEntry, parse_config_file

HEAD = """\
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.dataset import DatasetSpec, DatasetSpecConfig
from deriva_ml.asset import AssetSpecConfig
from deriva_ml.execution import AssetRIDConfig, with_description
raise RuntimeError("nothing of this file is run")
"""


def read(tmp_path: Path, text: str) -> list[ConfigEntry]:
    file = tmp_path / "c.py"
    file.write_text(HEAD + text)
    entries, error = parse_config_file(file)
    assert error is None
    return entries


def facts(entry: ConfigEntry) -> tuple[object, ...]:
    return (entry.entry_kind, entry.rid, entry.version, entry.hostname, entry.catalog_id)


def test_specs_in_lists_described_or_not(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
datasets_store = store(group="datasets")
datasets_store([DatasetSpecConfig(rid="1-ABC", version="1.2.0")], name="one")
datasets_store(with_description([
    DatasetSpecConfig("2-XYZ", "0.4.0"),
    DatasetSpecConfig(version="0.1.0", rid="3"),
], "Two of them."), name="two")
""",
    )
    assert [facts(e)[:3] for e in found] == [
        ("datasets", "1-ABC", "1.2.0"),
        ("datasets", "2-XYZ", "0.4.0"),
        ("datasets", "3", "0.1.0"),
    ]
    assert (found[1].line, found[1].col) == (11, 5)
    assert found[1].snippet == 'DatasetSpecConfig("2-XYZ", "0.4.0"),'
    assert found[0].place == f"{tmp_path / 'c.py'}:9:17"


def test_assets_as_configs_and_as_bare_rids(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
asset_store = store(group="assets")
asset_store(["3WMG", "3XPA", "no RID"], name="weights")
asset_store(with_description(["4AAA"], "One."), name="one")
asset_store([AssetSpecConfig(rid="5BBB", cache=True), AssetRIDConfig("6CCC")], name="two")
weights = ["8EEE"]
asset_store(weights, name="three")
asset_store(with_description(weights, "Named."), name="four")
other_store = store(group="other")
other_store(["7DDD"], name="no_assets")
run = ExecutionConfiguration(assets=["9AAA", AssetSpecConfig("9BBB")], description="D")
Conf = builds(ExecutionConfiguration, assets=weights)
other_store(Conf, name="run", assets=["9CCC"], workflow="W")
other_store(builds(dict, assets=["7DDD"]), name="no_run")
""",
    )
    assert [(e.entry_kind, e.rid, e.cache) for e in found] == [
        ("assets", "3WMG", None),
        ("assets", "3XPA", None),
        ("assets", "4AAA", None),
        ("assets", "5BBB", True),
        ("assets", "6CCC", None),
        *[("assets", "8EEE", None)] * 3,
        ("assets", "9AAA", None),
        ("assets", "9BBB", None),
        ("assets", "9CCC", None),
    ]


def test_connections_in_every_form_of_storing_them(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
Conf = builds(DerivaMLConfig, populate_full_signature=True)
deriva_store = store(group="deriva_ml")
deriva_store(Conf(hostname="a.org", catalog_id="1"), name="a")
deriva_store(DerivaMLConfig, name="b", hostname="b.org", catalog_id=2)
store(DerivaMLConfig("c.org", 3), group="deriva_ml", name="c")
Local = builds(DerivaMLConfig, hostname="localhost")
deriva_store(Local(catalog_id="digits"), name="d")
""",
    )
    assert [facts(e)[3:] for e in found] == [
        ("a.org", "1"),
        ("b.org", "2"),
        ("c.org", "3"),
        ("localhost", None),
        ("localhost", "digits"),
    ]


def test_workflows_count_when_they_name_one_that_is_there(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
store(builds(Workflow, name="n", workflow_type="Training"), group="workflow", name="new")
store(builds(Workflow, name="n", workflow_type="Training", workflow_rid="8-W"), name="old")
Workflow(name="n", workflow_type="Training", rid="9-W")
""",
    )
    assert [facts(e)[:2] for e in found] == [("workflow", "8-W"), ("workflow", "9-W")]


def test_constants_other_names_and_what_the_text_does_not_tell(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
import deriva_ml.dataset as d
from deriva_ml.dataset import DatasetSpecConfig as Spec
RID: str = "1-AAA"
SAME = RID
DatasetSpecConfig(rid=SAME, version="1.0.0")
Spec(RID, "2.0.0")
d.DatasetSpecConfig(rid=find("x"), version="1.0.0")
Old = builds(DatasetSpec, version="0.1.0")
Old(rid="2-BBB")
def options():
    return [DatasetSpecConfig(rid="3-CCC", version=VERSION)]
""",
    )
    assert [facts(e)[1:3] for e in found] == [
        ("1-AAA", "1.0.0"),
        ("1-AAA", "2.0.0"),
        (None, "1.0.0"),
        ("2-BBB", "0.1.0"),
        ("3-CCC", None),
    ]


def test_constants_that_name_each_other_end(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "A = B\nB = A\nDatasetSpecConfig(rid=A, version='1.0.0')\n")
    assert entry.rid is None


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"x = (\n1", {1}),
        (b"ok = 1\nx = 'a\n", {2}),
        (b"x = '\xff'", {0, 1}),  # not every Python tells the line of bytes that are no text
    ],
)
def test_a_file_that_is_no_python_says_where(
    tmp_path: Path, content: bytes, lines: set[int]
) -> None:
    file = tmp_path / "bad.py"
    file.write_bytes(content)
    entries, error = parse_config_file(file)
    assert entries == []
    assert error is not None
    assert error.line in lines
    assert error.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    entries, error = parse_config_file(tmp_path / "none.py")
    assert (entries, error is not None) == ([], True)


@given(st.text(max_size=200))
def test_no_text_is_too_odd(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("odd") / "c.py"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    entries, error = parse_config_file(file)
    assert entries == [] or error is None
