"""How the commands print: tables for people, JSON for scripts, a bar while it takes time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

_WIDE = 400
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str] = ()
) -> None:
    """Print rows of text under a header; the columns called `numbers` are set to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in header:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A file or pipe has no width: nothing is folded there.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def shown_size(length: int) -> str:
    """A number of bytes as people read it: ``1.2 GB``."""
    size, unit = float(length), 0
    while size >= 1000 and unit + 1 < len(_UNITS):
        size, unit = size / 1000, unit + 1
    return f"{length} bytes" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


@contextmanager
def progress_bar(text: str, unit: str = "B") -> Iterator[Callable[[int], object]]:
    """Show bytes (or another unit) going by on a terminal, and nothing elsewhere.

    Gives the function to tell them.
    """
    from tqdm import tqdm

    with tqdm(
        desc=text, unit=unit, unit_scale=True, leave=False, disable=not sys.stderr.isatty()
    ) as bar:
        yield bar.update
