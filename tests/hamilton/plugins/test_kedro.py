from typing import ClassVar

import pytest

from hamilton import driver
from hamilton.io.materialization import from_, to

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def kedro(monkeypatch):
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    pytest.importorskip("kedro")
    import kedro.pipeline

    return kedro.pipeline


class Log:
    ran: ClassVar[list] = []


def clean(raw: list, least: int) -> list:
    """Rows that count."""
    Log.ran.append("clean")
    return [row for row in raw if row >= least]


def split(clean, parameters):
    cut = parameters["cut"]
    return clean[:cut], clean[cut:]


def summed(*, rows):
    return {"total": sum(rows), "count": len(rows)}


class Teller:
    def __call__(self, total):
        Log.ran.append(f"told {total}")


def pipelines(kedro):
    first = kedro.pipeline(
        [
            kedro.node(clean, ["raw", "params:least"], "cleaned", name="cleaning"),
            kedro.node(split, ["cleaned", "parameters"], ["train", "test"], name="splitting"),
        ]
    )
    second = kedro.pipeline(
        [
            kedro.node(
                summed, {"rows": "train"}, {"total": "total", "count": "count"}, name="count"
            ),
            kedro.node(Teller(), "total", None, name="telling"),
        ]
    )
    return first, second


INPUTS = {"raw": [1, 5, 6, 7], "least": 2, "parameters": {"cut": 2}}


def test_pipelines_become_one_dataflow(kedro):
    from hamilton.plugins.h_kedro import kedro_pipeline_to_driver

    Log.ran.clear()
    dr = kedro_pipeline_to_driver(*pipelines(kedro))
    known = {v.name: v for v in dr.list_available_variables()}
    assert {name for name, v in known.items() if v.is_external_input} == set(INPUTS)
    assert known["cleaned"].type is list
    assert known["cleaned"].documentation == "Rows that count."
    assert known["cleaned"].tags["kedro.node"] == "cleaning"
    found = dr.execute(["cleaned", "train", "test", "total", "count", "telling"], inputs=INPUTS)
    assert found == {
        "cleaned": [5, 6, 7],
        "train": [5, 6],
        "test": [7],
        "total": 11,
        "count": 2,
        "telling": {},
    }
    assert Log.ran == ["clean", "told 11"]
    assert dr.execute(["count.outputs"], overrides={"train": [1]}) == {
        "count.outputs": {"total": 1, "count": 1}
    }


def test_a_builder_brings_its_adapters_and_stays_as_it_is(kedro, tmp_path):
    from hamilton.plugins.h_kedro import kedro_pipeline_to_driver

    Log.ran.clear()
    builder = driver.Builder().with_cache(tmp_path)
    for _ in range(2):
        dr = kedro_pipeline_to_driver(*pipelines(kedro), builder=builder)
        assert dr.execute(["cleaned"], inputs=INPUTS) == {"cleaned": [5, 6, 7]}
    assert Log.ran == ["clean"]
    assert builder.modules == []


def test_catalogs_are_read_and_written_by_materializers(kedro):
    from kedro.io import DataCatalog, MemoryDataset

    from hamilton.plugins.h_kedro import kedro_pipeline_to_driver

    catalog = DataCatalog({"raw": MemoryDataset([1, 2, 3]), "cleaned": MemoryDataset()})
    dr = kedro_pipeline_to_driver(pipelines(kedro)[0])
    dr.materialize(
        from_.kedro(target="raw", dataset_name="raw", catalog=catalog),
        to.kedro(id="s", dependencies=["cleaned"], dataset_name="cleaned", catalog=catalog),
        inputs={"least": 2},
    )
    assert catalog.load("cleaned") == [2, 3]


def test_two_writers_of_one_dataset_are_refused(kedro):
    from hamilton.plugins.h_kedro import kedro_pipeline_to_driver

    first, second = pipelines(kedro)
    kedro_pipeline_to_driver(first, first + second)  # the same nodes are one
    other = kedro.pipeline([kedro.node(summed, {"rows": "raw"}, "cleaned", name="other")])
    with pytest.raises(ValueError, match="cleaned"):
        kedro_pipeline_to_driver(first, other)
