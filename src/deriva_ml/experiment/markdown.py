"""An experiment as Markdown."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml.asset.asset import Asset

    from .experiment import Experiment

__all__ = ["as_markdown", "display"]


def as_markdown(experiment: Experiment, *, show_datasets: bool, show_assets: bool) -> str:
    """Headline, facts, choices, parameters, measurements, inputs and outputs."""
    lines = [
        f"### {_plain(experiment.name)} "
        f"([{experiment.execution_rid}]({experiment.get_chaise_url()}))",
        "",
    ]
    if experiment.description:
        lines += [_plain(experiment.description), ""]
    execution = experiment.execution
    facts = {
        "Status": experiment.status.value,
        "Workflow": execution.workflow_rid,
        "Started": execution.start_time,
        "Duration": execution.duration,
    }
    lines += [f"- **{k}**: {_plain(v)}" for k, v in facts.items() if v is not None]
    for title, values in (
        ("Choices", experiment.config_choices),
        ("Parameters", experiment.parameters),
        ("Metrics", experiment.metrics),
    ):
        lines += _table(title, values)
    if show_datasets and experiment.input_datasets:
        lines += ["", "**Input datasets**", ""]
        lines += [
            f"- {d.dataset_rid} {_plain(d.description)}".rstrip() for d in experiment.input_datasets
        ]
    if show_assets:
        lines += _files("Input files", experiment.input_assets)
        lines += _files("Output files", experiment.output_assets)
    return "\n".join(lines) + "\n"


def _table(title: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield from ("", f"| {title} | |", "|---|---|")
        for name, value in values.items():
            yield f"| {_plain(name)} | {_plain(value)} |"


def _files(title: str, assets: Iterable[Asset]) -> Iterator[str]:
    listed = [f"- {a.asset_rid} {_plain(a.filename)} ({a.asset_table})" for a in assets]
    if listed:
        yield from ("", f"**{title}**", "", *listed)


def _plain(value: Any) -> str:
    """A value in one line, without characters that Markdown would take for its own."""
    text = " ".join(str(value).split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in text)


def display(text: str) -> None:
    """Show Markdown in a notebook; elsewhere print it."""
    shown: Any = sys.modules.get("IPython")
    if shown is None or shown.get_ipython() is None:
        print(text)  # noqa: T201 - that is what was asked for
        return
    module: Any = importlib.import_module("IPython.display")
    module.display(module.Markdown(text))
