"""What a project's configuration offers, as tables for people."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.table import Table

from deriva_ml.core.zen_store import stored_options
from deriva_ml.execution.multirun import get_all_multirun_configs

__all__ = ["print_options"]

_MAIN = "main configurations"


def print_options(console: Console) -> None:
    """Print every group with its options and their descriptions, then the named sweeps."""
    for group, options in groupby(stored_options(), key=lambda option: option.group):
        rows = [(option.name, option.description) for option in options]
        usage = {"": "--config-name NAME", "experiment": "+experiment=NAME"}
        console.print(_table(group or _MAIN, usage.get(group, f"{group}=NAME"), rows))
    sweeps = get_all_multirun_configs()
    if sweeps:
        rows = [
            (name, "\n".join(filter(None, (spec.description, " ".join(spec.overrides)))))
            for name, spec in sweeps.items()
        ]
        console.print(_table("multirun", "+multirun=NAME", rows))


def _table(title: str, usage: str, rows: list[tuple[str, str]]) -> Table:
    """Return a table of names and descriptions under a title that says how to choose."""
    table = Table(title=f"{title}  ({usage})", title_justify="left", expand=False)
    table.add_column("name", no_wrap=True)
    table.add_column("description", overflow="fold")
    for name, description in rows:
        table.add_row(name, description or "-")
    return table
