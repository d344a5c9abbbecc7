"""What a project's configuration offers, as text for people.

Rich is left out on purpose: importing it would take a good part of the time that a listing takes.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby

from deriva_ml.core.zen_store import StoredOption, default_options, stored_options
from deriva_ml.execution.multirun import get_all_multirun_configs

__all__ = ["marked", "options_json", "options_text", "section"]

_USAGE = {"": "--config-name NAME", "experiment": "+experiment=NAME"}
_NARROWEST = 24


def options_text(config_name: str, width: int | None = None) -> str:
    """Return every group with its options and their descriptions, then the named sweeps.

    Args:
        config_name: The main configuration whose defaults are marked.
        width: Columns of a line; None means those of the terminal.
    """
    columns = shutil.get_terminal_size().columns if width is None else width
    lines: list[str] = []
    chosen = {("", config_name), *default_options(config_name).items()}
    for group, options in groupby(stored_options(), key=lambda option: option.group):
        usage = _USAGE.get(group, f"{group}=NAME")
        rows = [(marked(option, chosen), [option.description]) for option in options]
        lines += section(group or "main configurations", usage, rows, columns)
    sweeps = get_all_multirun_configs()
    if sweeps:
        rows = [
            (f"  {name}", [*spec.description.splitlines(), " ".join(spec.overrides)])
            for name, spec in sweeps.items()
        ]
        lines += section("multirun", "+multirun=NAME", rows, columns)
    return "\n".join([*lines, "* is what is used unless another is chosen."]) if lines else ""


def options_json() -> str:
    """Return every option and named sweep with its description, as a JSON object."""
    options = [asdict(option) for option in stored_options()]
    sweeps = [asdict(spec) for spec in get_all_multirun_configs().values()]
    return json.dumps({"options": options, "multiruns": sweeps}, indent=2)


def marked(option: StoredOption, chosen: Iterable[tuple[str, str]]) -> str:
    """Return an option's name, behind a star where it is what is chosen."""
    return f"{'*' if (option.group, option.name) in chosen else ' '} {option.name}"


def section(
    title: str, usage: str, rows: list[tuple[str, list[str]]], columns: int
) -> Iterator[str]:
    """Yield the lines of one group: names to the left, descriptions folded to the right."""
    yield f"{title}  ({usage})"
    left = max(len(name) for name, _ in rows) + 4
    for name, texts in rows:
        folded = [
            line
            for text in texts
            for line in textwrap.wrap(text, max(columns - left - 1, _NARROWEST))
        ]
        yield f"  {name}".ljust(left) + (folded[0] if folded else "-")
        yield from (" " * left + line for line in folded[1:])
    yield ""
