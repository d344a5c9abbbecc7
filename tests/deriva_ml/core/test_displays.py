"""What notebooks show: escaped, short, without anything from elsewhere, and nothing secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from deriva_ml import DatasetSpec, DerivaMLConfig, ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.html_tables import rows_html, table_html
from deriva_ml.execution import BaseConfig, DescribedList, MultirunSpec
from deriva_ml.experiment import Experiment
from hamilton import driver
from hamilton.ad_hoc_utils import create_temporary_module

EVIL = "<script>alert('x')</script> & \"more\""
LONG = 20_000


def checked(shown: str) -> str:
    """A display, after what holds for all of them is asserted."""
    assert "<script" not in shown
    assert len(shown) < LONG
    assert not re.search(r"(?:src|href)\s*=\s*['\"]?(?:https?:)?//", shown)
    return shown


def test_values_are_escaped_and_cut_and_rows_are_counted() -> None:
    shown = checked(table_html({"a": EVIL, EVIL: "x" * 10_000, "empty": ""}))
    assert "&lt;script&gt;" in shown
    assert "…" in shown
    assert "empty" not in shown
    many = checked(rows_html(("n", "text"), ((n, "y" * 300) for n in range(1000))))
    assert "and 950 more" in many


@dataclass
class Analysis(BaseConfig):
    threshold: float = 0.5


CONFIGURATIONS: list[tuple[Any, Iterable[str]]] = [
    (DatasetSpec(rid="1-ABCD", version="1.2.0", description=EVIL), ("1-ABCD", "1.2.0", "&lt;")),
    (Workflow(name=EVIL, workflow_type=["A", "B"]), ("A, B", "&lt;script")),
    (DescribedList(["1-ABCD", EVIL], EVIL), ("2 entries", "1-ABCD")),
    (DescribedList(range(5000), "many"), ("5000 entries", "and 4950 more")),
    (MultirunSpec("rates", ("lr=1,2",), EVIL), ("multirun rates", "lr=1,2", "&lt;")),
    (
        ExecutionConfiguration(
            datasets=["1-ABCD@1.2.0"],
            assets=["2-ABCD"],
            description=EVIL,
            config_choices={"g": "o"},
        ),
        ("1-ABCD@1.2.0", "2-ABCD", "g: o", "&lt;"),
    ),
    (
        Analysis(deriva_ml=DerivaMLConfig(hostname="h.org"), description=EVIL, threshold=0.3),
        ("Analysis", "h.org", "threshold", "0.3", "&lt;"),
    ),
]


@pytest.mark.parametrize(
    ("made", "texts"), CONFIGURATIONS, ids=[type(made).__name__ for made, _ in CONFIGURATIONS]
)
def test_configurations_show_what_is_set(made: Any, texts: Iterable[str]) -> None:
    shown = checked(made._repr_html_())
    assert [text for text in texts if text not in shown] == []
    assert "None" not in shown


def test_a_connection_shows_no_secret() -> None:
    config = DerivaMLConfig(
        hostname="postgresql://kim:s3cret@db.example.org/deriva",
        catalog_id=EVIL,
        credential={"bearer-token": "t0ken"},
    )
    for shown in (config._repr_html_(), Analysis(deriva_ml=config)._repr_html_()):
        checked(shown)
        assert "db.example.org" in shown
        assert "s3cret" not in shown
        assert "t0ken" not in shown


def test_runs_sweeps_files_and_datasets_show_themselves(ml: DerivaML) -> None:
    code = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")
    parent = ml.create_execution(ExecutionConfiguration(description=EVIL), workflow=code)
    with parent.execute():
        path = parent.asset_file_path("Execution_Asset", "a.txt", description=EVIL)
        path.write_text("a")
        dataset = parent.create_dataset("Training", description=EVIL)
    parent.upload_execution_outputs()
    for number in range(2):
        ml.create_execution(
            ExecutionConfiguration(description=f"[Job {number}] {EVIL}"),
            workflow=code,
            parent=parent.execution_rid,
            sequence=number,
        )
    host = checked(ml._repr_html_())
    assert [text for text in (ml.host_name, ml.catalog_id, "zoo") if text not in host] == []
    record = ml.lookup_execution(parent.execution_rid)
    shown = checked(record._repr_html_())
    assert "2 Created" in shown
    assert shown.index("[Job 0]") < shown.index("[Job 1]")
    assert Experiment(ml, parent.execution_rid)._repr_html_() == shown
    checked(parent._repr_html_())
    assert "a.txt (1 bytes)" in checked(record.list_assets("Output")[0]._repr_html_())
    bag = dataset.download_dataset_bag(dataset.current_version, materialize=False)
    for each in (dataset, bag):
        assert "&lt;script" in checked(each._repr_html_())
    for history in (dataset.dataset_history(), bag.dataset_history()):
        checked(history._repr_html_())  # type: ignore[attr-defined]
    for kind, text in ml.lookup_lineage(dataset.dataset_rid)._repr_mimebundle_().items():
        if kind == "text/html":
            checked(text)


def test_a_dataflow_shows_itself_with_names_escaped() -> None:
    def total(a: int, b: Literal["<script>alert(1)</script>"]) -> int:
        """Adds <script>."""
        return a

    module = create_temporary_module(total, module_name="flow_of_displays")
    bundle = driver.Builder().with_modules(module).build()._repr_mimebundle_()
    assert "total" in checked(bundle["image/svg+xml"])
    assert "total" in bundle["text/plain"]
