"""Countries over half a century: linked tables, several judges, a stratified split, lineage.

The first run makes the catalog; each further one trains and tests once more.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import judges
import model
import tables
from plotly import data
from plotly.data import __file__ as shipped

from deriva_ml import DerivaML, Workflow
from deriva_ml.asset import LocalFile
from deriva_ml.core.exceptions import DerivaMLNotFoundError
from deriva_ml.dataset import Dataset, split_dataset

CATALOG = "countries"
SOURCE = Path(shipped).parents[1] / "package_data" / "datasets" / "gapminder.csv.gz"


def main() -> None:
    """Run the example."""
    options = _options()
    os.environ["DERIVA_ML_HOME"] = str(options.home.resolve())
    try:
        ml = DerivaML("localhost", CATALOG)
    except DerivaMLNotFoundError:
        ml = tables.create(CATALOG)
        prepare(ml)
    try:
        _refuse_half(ml, options.home.resolve())
        experiment(ml, options.until)
    finally:
        ml.catalog.close()


def prepare(ml: DerivaML) -> None:
    """Load the data, let the judges judge, and split the countries."""
    frame = data.gapminder(return_type="pandas")
    run(
        ml, "Load the data", "Ingest", partial(tables.load, frame=frame), assets=[LocalFile(SOURCE)]
    )

    everything = find(ml, "Complete")
    print(everything.to_markdown())
    print(everything.get_denormalized_as_dataframe(["Measurement", "Survey", "Country"]).tail(3))

    for criterion in judges.JUDGES:
        text = f"Judge by: {criterion.__name__}"
        step = partial(judges.judge, criterion=criterion)
        run(ml, text, "Feature_Creation", step, datasets=[everything])
    agreement, _ = run(ml, "Agree", "Feature_Creation", judges.agree, datasets=[everything])
    _show_agreement(everything)

    # Released versions stay what they are; what came since is seen as drift.
    print(everything.get_drift())
    everything.release("minor", "With what the judges say", agreement)
    run(ml, "Split the countries", "Dataset_Split", partial(split, source=everything))


def split(ml: DerivaML, execution: Any, source: Dataset) -> None:
    """Keep a third of the countries for the test, with the same share of each level."""
    result = split_dataset(
        ml,
        source.dataset_rid,
        execution,
        test_size=1 / 3,
        stratify_by_column="Agreed.Level",
        split_description="Countries by what most judges say",
    )
    print(f"{result.training.count} countries to train with, {result.testing.count} to test with")


def experiment(ml: DerivaML, until: int) -> None:
    """Train and test, and tell where the result comes from."""
    parts = [find(ml, "Training"), find(ml, "Testing")]
    text = f"Predict the level from the surveys up to {until}"
    step = partial(model.train_and_test, until=until)
    execution, accuracy = run(ml, text, "Training", step, datasets=parts)
    print(f"{accuracy:.0%} of the countries of the test were predicted.")
    print(ml.lookup_lineage(execution.execution_rid))


def run(
    ml: DerivaML,
    description: str,
    kind: str,
    step: Callable[..., Any],
    *,
    datasets: list[Dataset] | None = None,
    assets: list[Any] | None = None,
) -> tuple[Any, Any]:
    """Carry a step out as an execution, and upload what it made.

    The workflow of the execution is the file that the step is written in.
    """
    print(f"\n== {description}")
    code = inspect.getfile(step.func if isinstance(step, partial) else step)
    url, checksum = Workflow.get_url_and_checksum(code)
    execution = ml.create_execution(
        datasets=[f"{d.dataset_rid}@{d.current_version}" for d in datasets or ()],
        assets=assets or [],
        workflow=Workflow(name=Path(code).name, workflow_type=kind, url=url, checksum=checksum),
        description=description,
    )
    with execution:
        result = step(ml, execution)
    execution.upload_execution_outputs()
    return execution, result


def find(ml: DerivaML, kind: str) -> Dataset:
    """The dataset of a type."""
    return next(d for d in ml.find_datasets() if kind in d.dataset_types)


def _refuse_half(ml: DerivaML, home: Path) -> None:
    """Say what to do when the first run did not get to the split: half of the data may be there."""
    if not any("Training" in d.dataset_types for d in ml.find_datasets()):
        sys.exit(
            "The first run stopped before the countries were split. Remove what it made, then run "
            f"this again:\n\n    DERIVA_ML_HOME='{home}' deriva-catalog delete --yes {CATALOG}\n"
        )


def _show_agreement(dataset: Dataset) -> None:
    """How many judges stand behind the level that was agreed on."""
    agreed = {v.Country: v.Level for v in dataset.feature_values("Country", "Agreed")}
    judged = dataset.feature_values("Country", "Judged")
    behind = Counter(v.Country for v in judged if v.Level == agreed[v.Country])
    for judges_, countries in sorted(Counter(behind.values()).items(), reverse=True):
        print(f"{countries} countries: {judges_} of {len(judges.JUDGES)} judges agree")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(os.environ.get("DERIVA_ML_HOME", Path(__file__).parents[2] / ".demo")),
        help="where the catalog and files live (default: $DERIVA_ML_HOME, else .demo)",
    )
    parser.add_argument(
        "--until",
        type=int,
        default=1972,
        help="the last year that the model sees (default: %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
