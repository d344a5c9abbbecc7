import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hamilton import base, driver, registry
from hamilton.function_modifiers import (
    InvalidDecoratorException,
    dataloader,
    datasaver,
    extract_fields,
    load_from,
    save_to,
    source,
    value,
)
from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.materialization import from_, to

TEXT = """
import pandas as pd

def a(x: int) -> pd.Series:
    return pd.Series([x, x + 1])

def b(a: pd.Series) -> pd.Series:
    return a * 2

def facts(x: int) -> dict:
    return {"x": x}
"""


@pytest.fixture
def dr(source_module):
    return driver.Builder().with_modules(source_module(TEXT)).build()


def test_materialize_saves_combines_and_returns_extra_values(dr, tmp_path):
    path = tmp_path / "new" / "frame.csv"
    metadata, values = dr.materialize(
        to.csv(
            id="frame",
            dependencies=["a", "b"],
            combine=base.PandasDataFrameResult(),
            path=str(path),
            index=False,
        ),
        to.json(id="facts_file", dependencies=["facts"], path=source("where")),
        to.memory(id="kept", dependencies=["facts"]),
        additional_vars=["b"],
        inputs={"x": 1, "where": str(tmp_path / "facts.json")},
    )
    assert path.read_text().splitlines() == ["a,b", "1,2", "2,4"]
    assert json.loads((tmp_path / "facts.json").read_text()) == {"x": 1}
    assert metadata["frame"]["file_metadata"]["path"] == str(path)
    assert metadata["frame"]["dataframe_metadata"]["column_names"] == ["a", "b"]
    assert metadata["kept"] == {"x": 1}
    assert values["b"].tolist() == [2, 4]
    assert "frame" not in {v.name for v in dr.list_available_variables()}


def test_from_replaces_a_node_and_cuts_what_fed_it(dr, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text('{"x": 99}')
    _, values = dr.materialize(
        from_.json(target="facts", path=str(path)), additional_vars=["facts", "load_data.facts"]
    )
    assert values["facts"] == {"x": 99}
    assert values["load_data.facts"][1]["file_metadata"]["size"] == 9


def test_from_supplies_an_input(dr):
    _, values = dr.materialize(from_.literal(target="x", value=5), additional_vars=["facts"])
    assert values == {"facts": {"x": 5}}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda dr: dr.materialize(), "No output requested"),
        (
            lambda dr: dr.materialize(to.json(id="i", dependencies=["nope"], path="p")),
            "Materializer i has dependencies that are not in the graph",
        ),
        (
            lambda dr: dr.materialize(to.json(id="facts", dependencies=["facts"], path="p")),
            "Duplicate node names found",
        ),
        (
            lambda dr: dr.materialize(
                from_.json(target="nope", path="p"), additional_vars=["facts"]
            ),
            "Could not find node with name: nope",
        ),
        (
            lambda dr: to.json(id="i", dependencies=["a", "b"], path="p"),
            "Must specify result",
        ),
    ],
)
def test_materializer_errors(dr, call, message):
    with pytest.raises(ValueError, match=message):
        call(dr)


def test_argument_errors_name_what_is_missing_and_unknown(dr):
    with pytest.raises(InvalidDecoratorException, match=r"missing: \['path'\], unknown: \['pat'\]"):
        dr.materialize(to.json(id="i", dependencies=["facts"], pat="p"), inputs={"x": 1})
    with pytest.raises(InvalidDecoratorException, match="applies to"):
        dr.materialize(to.json(id="i", dependencies=["x"], path="p"), inputs={"x": 1})


def test_unknown_keys_list_what_exists():
    with pytest.raises(AttributeError, match="Did you mean 'json'"):
        to.jsn  # noqa: B018
    with pytest.raises(AttributeError, match="Available"):
        from_.nowhere  # noqa: B018
    with pytest.raises(AttributeError, match="Available"):
        load_from.nowhere  # noqa: B018
    with pytest.raises(AttributeError, match="Available"):
        save_to.nowhere  # noqa: B018


def test_validate_materialization(dr):
    saver = to.json(id="i", dependencies=["facts"], path="p")
    dr.validate_materialization(saver, inputs={"x": 1})
    with pytest.raises(ValueError, match="Required input x"):
        dr.validate_materialization(saver)


def test_builder_materializers_are_ordinary_nodes(source_module, tmp_path):
    dr = (
        driver.Builder()
        .with_modules(source_module(TEXT))
        .with_materializers(
            to.json(id="saved", dependencies=["facts"], path=str(tmp_path / "f.json")),
            from_.literal(target="x", value=3),
        )
        .build()
    )
    assert "saved" in {v.name for v in dr.list_available_variables()}
    assert dr.execute(["saved"])["saved"]["file_metadata"]["size"] == 8
    assert json.loads((tmp_path / "f.json").read_text()) == {"x": 3}


def test_load_from_and_save_to(build, tmp_path):
    path = str(tmp_path / "x.json")

    @save_to.json(path=source("where"))
    def made() -> dict:
        return {"v": 1}

    @load_from.json(inject_="data", path=value(path))
    def read(data: dict, plus: int) -> int:
        return data["v"] + plus

    dr = build(made, read)
    assert dr.execute(["made"]) == {"made": {"v": 1}}
    dr.execute(["save.made"], inputs={"where": path})
    assert dr.execute(["read", "read.select_data.data"], inputs={"plus": 10}) == {
        "read": 11,
        "read.select_data.data": {"v": 1},
    }
    tags = {v.name: v.tags for v in dr.list_available_variables()}
    assert tags["read.load_data.data"]["hamilton.data_loader.source"] == "json"
    assert tags["read.load_data.data"]["hamilton.data_loader.node"] == "data"
    assert tags["save.made"]["hamilton.data_saver.sink"] == "json"


def test_save_to_needs_a_target_when_there_are_several_outputs(build, tmp_path):
    @save_to.file(path=str(tmp_path / "q.txt"), target_="q", output_name_="saved")
    @extract_fields({"p": str, "q": str})
    def fields() -> dict:
        return {"p": "1", "q": "2"}

    build(fields).execute(["saved"])
    assert (tmp_path / "q.txt").read_text() == "2"

    @save_to.file(path="x")
    @extract_fields({"p": str, "q": str})
    def several() -> dict:
        return {}

    with pytest.raises(InvalidDecoratorException, match="target_="):
        build(several)


def test_load_from_needs_inject_when_there_are_several_parameters():
    with pytest.raises(InvalidDecoratorException, match="inject_="):

        @load_from.json(path="p")
        def f(a: dict, b: dict) -> int:
            return 1


def test_dataloader_and_datasaver(build):
    saved = []

    @dataloader()
    def data() -> tuple[list[int], dict[str, Any]]:
        """The numbers."""
        return [1, 2], {"from": "here"}

    @datasaver()
    def keep(data: list[int]) -> dict[str, Any]:
        saved.append(data)
        return {"n": len(data)}

    dr = build(data, keep)
    assert dr.execute(["data", "data.loader", "keep"]) == {
        "data": [1, 2],
        "data.loader": ([1, 2], {"from": "here"}),
        "keep": {"n": 2},
    }
    assert saved == [[1, 2]]
    tags = {v.name: v.tags for v in dr.list_available_variables()}
    assert tags["data.loader"]["hamilton.data_loader.has_metadata"] is True
    assert tags["keep"]["hamilton.data_saver"] is True


def test_dataloader_and_datasaver_are_checked():
    with pytest.raises(InvalidDecoratorException, match="parentheses"):

        @dataloader
        def f() -> tuple[int, dict]:
            return 1, {}

    with pytest.raises(InvalidDecoratorException, match=r"must return tuple"):

        @dataloader()
        def g() -> int:
            return 1

    with pytest.raises(InvalidDecoratorException, match="str keys"):

        @datasaver()
        def h(g: int) -> dict[int, str]:
            return {}


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
ROUND_TRIPS = [
    ("csv", {"index": False}, {}),
    ("parquet", {}, {}),
    ("pickle", {}, {}),
    ("json", {}, {}),
    ("feather", {}, {}),
    ("orc", {}, {}),
    ("excel", {"index": False}, {}),
]


@pytest.mark.parametrize(("key", "saving", "loading"), ROUND_TRIPS, ids=lambda v: str(v))
def test_pandas_round_trips(source_module, tmp_path, key, saving, loading):
    module = source_module(
        "import pandas as pd\n\ndef same(frame: pd.DataFrame) -> pd.DataFrame:\n    return frame\n"
    )
    dr = driver.Builder().with_modules(module).build()
    path = str(tmp_path / f"f.{ {'excel': 'xlsx'}.get(key, key) }")
    metadata, _ = dr.materialize(
        getattr(to, key)(id="s", dependencies=["same"], path=path, **saving),
        inputs={"frame": FRAME},
    )
    assert metadata["s"]["dataframe_metadata"]["rows"] == 2
    _, values = dr.materialize(
        getattr(from_, key)(target="frame", path=path, **loading), additional_vars=["same"]
    )
    pd.testing.assert_frame_equal(values["same"], FRAME, check_dtype=False)


def test_sql_round_trip(source_module, tmp_path):
    import sqlite3
    from contextlib import closing

    module = source_module(
        "import pandas as pd\n\ndef same(frame: pd.DataFrame) -> pd.DataFrame:\n    return frame\n"
    )
    dr = driver.Builder().with_modules(module).build()
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        metadata, _ = dr.materialize(
            to.sql(
                id="s",
                dependencies=["same"],
                table_name="t",
                db_connection=connection,
                index=False,
            ),
            inputs={"frame": FRAME},
        )
        assert metadata["s"]["sql_metadata"]["table_name"] == "t"
        loader = from_.sql(
            target="frame", query_or_table="select * from t", db_connection=connection
        )
        _, values = dr.materialize(loader, additional_vars=["same"])
    pd.testing.assert_frame_equal(values["same"], FRAME, check_dtype=False)


@pytest.mark.parametrize(
    ("key", "type_", "data"),
    [
        ("json", dict, {"a": [1]}),
        ("file", str, "text ü"),
        ("pickle", set, {1, 2}),
        ("yaml", dict, {"a": [1, {"b": None}]}),
        ("npy", np.ndarray, np.arange(3)),
    ],
)
def test_plain_round_trips(tmp_path, key, type_, data):
    from hamilton.function_modifiers.adapters import choose_adapter

    path = tmp_path / "sub" / "file"
    saver, loader = choose_adapter("savers", key, type_), choose_adapter("loaders", key, type_)
    assert saver(path=path).save_data(data)["file_metadata"]["size"] == path.stat().st_size
    loaded, metadata = loader(path=path).load_data(type_)
    assert np.array_equal(loaded, data) if key == "npy" else loaded == data
    assert metadata["file_metadata"]["path"] == str(path)
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_file_saver_takes_bytes(tmp_path):
    from io import BytesIO

    from hamilton.io.default_data_loaders import RawFileDataSaver

    RawFileDataSaver(tmp_path / "a").save_data(b"\x00")
    RawFileDataSaver(tmp_path / "b").save_data(BytesIO(b"\x01"))
    assert (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes() == b"\x00\x01"


def test_environment_loader(monkeypatch):
    from hamilton.io.default_data_loaders import EnvVarDataLoader

    monkeypatch.setenv("DATAFLOW_CASE", "v")
    assert EnvVarDataLoader(("DATAFLOW_CASE",)).load_data(dict)[0] == {"DATAFLOW_CASE": "v"}
    with pytest.raises(KeyError):
        EnvVarDataLoader(("DATAFLOW_ABSENT",)).load_data(dict)


class Base:
    pass


class Derived(Base):
    pass


@dataclasses.dataclass
class BaseSaver(DataSaver):
    def save_data(self, data):
        return {"by": "base"}

    @classmethod
    def applicable_types(cls):
        return [Base]

    @classmethod
    def name(cls):
        return "case_key"


@dataclasses.dataclass
class DerivedSaver(BaseSaver):
    def save_data(self, data):
        return {"by": "derived"}

    @classmethod
    def applicable_types(cls):
        return [Derived]


@dataclasses.dataclass
class AnySaver(BaseSaver):
    def save_data(self, data):
        return {"by": "any"}

    @classmethod
    def applicable_types(cls):
        return [Any]


def test_most_specific_adapter_wins(build, monkeypatch):
    monkeypatch.setattr(registry, "SAVER_REGISTRY", dict(registry.SAVER_REGISTRY))
    for cls in (DerivedSaver, BaseSaver, AnySaver):
        registry.register_adapter(cls)

    @save_to.case_key()
    def one() -> Derived:
        return Derived()

    @save_to.case_key()
    def two() -> Base:
        return Base()

    @save_to.case_key()
    def three() -> int:
        return 1

    result = build(one, two, three).execute(["save.one", "save.two", "save.three"])
    assert [r["by"] for r in result.values()] == ["derived", "base", "any"]


def test_adapters_must_be_dataclasses():
    class Plain(DataLoader):
        def load_data(self, type_):
            return 1, {}

        @classmethod
        def applicable_types(cls):
            return [int]

        @classmethod
        def name(cls):
            return "plain"

    with pytest.raises(TypeError, match="dataclass"):
        registry.register_adapter(Plain)


def test_adapter_arguments_come_from_the_fields():
    from hamilton.io.default_data_loaders import RawFileDataSaver

    assert list(RawFileDataSaver.get_required_arguments()) == ["path"]
    assert list(RawFileDataSaver.get_optional_arguments()) == ["encoding"]
    assert RawFileDataSaver.can_save()
    assert not RawFileDataSaver.can_load()


def test_failed_write_leaves_the_old_file(tmp_path):
    from hamilton.io.default_data_loaders import PickleSaver

    path = tmp_path / "x.pkl"
    PickleSaver(path).save_data(1)
    with pytest.raises(AttributeError):
        PickleSaver(path).save_data(lambda: 1)
    assert pickle.loads(path.read_bytes()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.pkl"]


def test_metadata_helpers(tmp_path):
    from hamilton.io import utils

    facts = utils.get_file_metadata("s3://bucket/key")["file_metadata"]
    assert (facts["size"], facts["scheme"]) == (None, "s3")
    assert facts["notes"]
    sql = utils.get_sql_metadata("select 1 from t", 5)["sql_metadata"]
    assert (sql["rows"], sql["query"], sql["table_name"]) == (5, "select 1 from t", None)
    frame = utils.get_dataframe_metadata(FRAME)["dataframe_metadata"]
    assert (frame["rows"], frame["columns"], frame["column_names"]) == (2, 2, ["a", "b"])
    both = utils.get_file_and_dataframe_metadata(tmp_path / "none", FRAME)
    assert set(both) == {"file_metadata", "dataframe_metadata"}
