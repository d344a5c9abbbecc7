"""What happened, and where to look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deriva_ml import DerivaML

_NOT_MINE = {"description"}


def show(ml: DerivaML, home: Path, seconds: float) -> None:
    """Print the datasets, the runs with their results, and where everything lies."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    console.print()
    console.print(_datasets(ml))
    console.print(_runs(ml))
    files = "(pictures, models, metrics: ml.list_assets('Execution_Asset'))"
    where = {
        "catalog": f"{ml.catalog.url} ('deriva-catalog info digits' shows its tables)",
        "bags": f"{ml.cache_dir / 'bags'} (each a BDBag: 'bdbag --validate full')",
        "outputs": f"{home / 'catalogs'} {files}",
    }
    if ml.host_name != "localhost":
        where |= {"catalog": ml.catalog.url, "outputs": f"on {ml.host_name} {files}"}
    for what, place in where.items():
        console.print(f"{what:>8}  {place}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"{'took':>8}  {seconds:.1f} s", highlight=False)
    console.print(
        f"{'next':>8}  run this again for one more experiment, or 'deriva-ml-run --info' in "
        "examples/digits for what else can be run (see README.md there)",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _datasets(ml: DerivaML) -> Table:
    table = Table("dataset", "version", "images", "types", "description", title="Datasets")
    for dataset in sorted(ml.find_datasets(), key=lambda d: d.dataset_rid):
        count = len(dataset.list_members("Image"))
        table.add_row(
            dataset.dataset_rid,
            str(dataset.current_version),
            str(count) if count else "",
            ", ".join(dataset.dataset_types),
            escape(dataset.description),
        )
    return table


def runs_frame(ml: DerivaML) -> pd.DataFrame:
    """Return one row for each training run, with what it was, its parameters and its accuracy."""
    columns = ["run", "what", "parameters", "input", "accuracy", "took", "status"]
    return pd.DataFrame(_rows(ml), columns=columns)


def _rows(ml: DerivaML) -> Iterator[tuple[str, str, str, str, float, str, str]]:
    for run in sorted(ml.find_executions(workflow_type="Training"), key=lambda r: r.start_time):
        outputs = {kind: a for a in run.list_assets(asset_role="Output") for kind in a.asset_types}
        if "Metrics_File" not in outputs:  # the parent of a sweep
            continue
        last = json.loads(ml.catalog.objects.read(outputs["Metrics_File"].url).splitlines()[-1])
        yield (
            run.execution_rid,
            _what(run),
            _parameters(ml, run),
            ", ".join(f"{d.dataset_rid}@{d.current_version}" for d in run.list_input_datasets()),
            last["test_accuracy"],
            _took(run),
            str(run.status),
        )


def _runs(ml: DerivaML) -> Table:
    table = Table(title="Training runs")
    frame = runs_frame(ml)
    for heading in frame.columns:
        whole = heading in ("run", "input", "took", "status")
        table.add_column(heading, overflow="fold", no_wrap=whole)
    for row in frame.assign(accuracy=frame["accuracy"].map("{:.3f}".format)).itertuples(
        index=False
    ):
        table.add_row(*map(escape, row))
    return table


def _what(run: Any) -> str:
    """What a run was, without the overrides that the parameters tell anyway."""
    told = run.description.partition(" [overrides")[0]
    job = re.match(r"\[Job (\d+)\] (.*)", told)
    return f"{job[2]} (no. {int(job[1]) + 1})" if job else told


def _took(run: Any) -> str:
    """How long a run took, as people say it."""
    if run.start_time is None or run.stop_time is None:
        return ""
    minutes, seconds = divmod((run.stop_time - run.start_time).total_seconds(), 60)
    return f"{minutes:.0f} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"


def _parameters(ml: DerivaML, run: Any) -> str:
    """The hyperparameters of a run, from the configuration that was kept with it."""
    for asset in run.list_assets(asset_role="Output"):
        if asset.filename.endswith("-config.yaml"):
            model = yaml.safe_load(ml.catalog.objects.read(asset.url))["model_config"]
            return " ".join(
                f"{k}={v}" for k, v in model.items() if k not in _NOT_MINE and not k.startswith("_")
            )
    return ""
