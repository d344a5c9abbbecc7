"""Datasets of Hugging Face, LanceDB, dlt and Kedro; frames of Dask, GeoPandas and Ibis."""

import pandas as pd
import pytest

from hamilton import driver, registry
from hamilton.io.materialization import from_, to

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
SAME = """
import pandas as pd

def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame
"""


@pytest.fixture
def dr(source_module):
    return driver.Builder().with_modules(source_module(SAME)).build()


@pytest.fixture
def hub(source_module, tmp_path, monkeypatch):
    """A dataflow over datasets, with the library kept from the network and the home folder."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    pytest.importorskip("datasets")
    module = source_module(
        "from datasets import Dataset\n\n"
        "def rows(data: Dataset) -> int:\n    return len(data)\n\n"
        "def kept(data: Dataset) -> Dataset:\n    return data.filter(lambda row: row['a'] > 1)\n"
    )
    return driver.Builder().with_modules(module).build()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_hugging_face_datasets_are_loaded_and_saved(hub, tmp_path):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    path = tmp_path / "new" / "out.parquet"
    metadata, values = hub.materialize(
        from_.hf_dataset(
            target="data",
            path="csv",
            data_files=str(tmp_path / "in.csv"),
            split="train",
            cache_dir=str(tmp_path / "cache"),
            config_kwargs={"sep": ","},
        ),
        to.parquet(id="s", dependencies=["kept"], path=str(path)),
        additional_vars=["rows", "load_data.data"],
    )
    assert values["rows"] == 2
    assert values["load_data.data"][1]["dataframe_metadata"]["column_names"] == ["a", "b"]
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    assert metadata["s"]["dataframe_metadata"]["rows"] == 1
    assert [p.name for p in path.parent.iterdir()] == ["out.parquet"]
    assert pd.read_parquet(path).to_dict("list") == {"a": [2], "b": ["y"]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tables_are_saved_to_lancedb(dr, hub, tmp_path):
    lancedb = pytest.importorskip("lancedb")
    from datasets import Dataset

    client = lancedb.connect(tmp_path / "lance")
    metadata, _ = hub.materialize(
        to.lancedb(id="s", dependencies=["kept"], db_client=client, table_name="t"),
        inputs={"data": Dataset.from_pandas(FRAME)},
    )
    assert metadata["s"]["sql_metadata"]["rows"] == 1
    assert metadata["s"]["dataframe_metadata"]["column_names"] == ["a", "b"]
    dr.materialize(
        to.lancedb(
            id="s", dependencies=["same"], db_client=client, table_name="t", write_mode="append"
        ),
        inputs={"frame": FRAME},
    )
    assert sorted(client.open_table("t").to_pandas()["a"]) == [1, 2, 2]
    dr.materialize(
        to.lancedb(
            id="s",
            dependencies=["same"],
            db_client=client,
            table_name="u",
            columns_to_write=["b"],
        ),
        inputs={"frame": FRAME},
    )
    assert client.open_table("u").to_pandas().columns.tolist() == ["b"]
    with pytest.raises(ValueError, match="write_mode is 'upsert'"):
        dr.materialize(
            to.lancedb(
                id="s", dependencies=["same"], db_client=client, table_name="u", write_mode="upsert"
            ),
            inputs={"frame": FRAME},
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_dlt_resources_are_loaded_and_frames_go_through_pipelines(dr, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "state"))
    dlt = pytest.importorskip("dlt")

    @dlt.resource(name="letters")
    def letters():
        yield {"a": 1, "b": "x"}
        yield [{"a": 2, "b": "y"}]

    pipeline = dlt.pipeline(
        "trial",
        pipelines_dir=str(tmp_path / "pipelines"),
        destination=dlt.destinations.filesystem(bucket_url=(tmp_path / "out").as_uri()),
        dataset_name="lab",
    )
    metadata, values = dr.materialize(
        from_.dlt(target="frame", resource=letters),
        to.dlt(
            id="s",
            dependencies=["same"],
            pipeline=pipeline,
            table_name="letters",
            write_disposition="replace",
            loader_file_format="parquet",
        ),
        additional_vars=["same", "load_data.frame"],
    )
    pd.testing.assert_frame_equal(values["same"], FRAME)
    assert values["load_data.frame"][1]["dlt_resource"] == {"name": "letters"}
    assert metadata["s"]["dlt_load"]["dataset"] == "lab"
    assert metadata["s"]["sql_metadata"]["rows"] == 2
    (written,) = (tmp_path / "out" / "lab" / "letters").glob("*.parquet")
    assert pd.read_parquet(written)["b"].tolist() == ["x", "y"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_kedro_catalogs_are_read_and_written(dr):
    pytest.importorskip("kedro")
    from kedro.io import DataCatalog, MemoryDataset

    catalog = DataCatalog({"given": MemoryDataset(FRAME), "made": MemoryDataset()})
    metadata, _ = dr.materialize(
        from_.kedro(target="frame", dataset_name="given", catalog=catalog),
        to.kedro(id="s", dependencies=["same"], dataset_name="made", catalog=catalog),
    )
    assert metadata["s"]["kedro_dataset"]["name"] == "made"
    pd.testing.assert_frame_equal(catalog.load("made"), FRAME)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["dask", "geopandas", "ibis"])
def test_columns_of_other_frames_are_extracted_and_filled(source_module, library):
    pytest.importorskip(library)
    made = {
        "dask": "import dask.dataframe as dd\nimport pandas as pd\n\n"
        "def make() -> dd.DataFrame:\n"
        "    return dd.from_pandas(pd.DataFrame({'a': [1, 2]}), npartitions=1)\n",
        "geopandas": "import geopandas\n\n"
        "def make() -> geopandas.GeoDataFrame:\n"
        "    return geopandas.GeoDataFrame({'a': [1, 2]})\n",
        "ibis": "import ibis\nfrom ibis.expr.types import Table\n\n"
        "def make() -> Table:\n    return ibis.table({'a': 'int64'}, name='t')\n",
    }[library]
    text = f"from hamilton.function_modifiers import extract_columns\n{made}"
    text = text.replace("def make", "@extract_columns('a', 'c', fill_with=0)\ndef make")
    dr = driver.Builder().with_modules(source_module(text)).build()
    frames = registry.get_registered_dataframe_types()
    types = {v.name: v.type for v in dr.list_available_variables()}
    assert types["make"] is frames[library]
    assert types["a"] is registry.get_registered_column_types()[library]
    found = dr.execute(["a", "c"])
    if library == "ibis":
        assert [found[n].get_name() for n in ("a", "c")] == ["a", "c"]
    else:
        assert [list(found[n]) for n in ("a", "c")] == [[1, 2], [0, 0]]


def test_a_key_whose_library_is_missing_names_the_extra(monkeypatch):
    entry = registry.Extension("no_such_library", savers=frozenset({"stone"}), extra="masonry")
    monkeypatch.setitem(registry.EXTENSIONS, "stone", entry)
    with pytest.raises(AttributeError, match=r"no_such_library, which is not installed; .*masonry"):
        to.stone  # noqa: B018
