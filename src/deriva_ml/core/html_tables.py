"""How things show themselves in a notebook: small HTML tables that need no network."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["cell", "rows_html", "settings_html", "table_html"]

_LONGEST = 400
_MOST_ROWS = 50
_LEFT = "style='text-align:left'"


def cell(value: object) -> str:
    """A value as HTML: escaped, and cut when it is long."""
    text = str(value)
    return html.escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def table_html(lines: Mapping[str, str]) -> str:
    """Names and values as an HTML table; empty values are left out."""
    cells = "".join(
        f"<tr><th {_LEFT}>{cell(name)}</th><td>{cell(value)}</td></tr>"
        for name, value in lines.items()
        if value
    )
    return f"<table>{cells}</table>"


def rows_html(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under a head as an HTML table; of many rows the first are shown."""
    iterator = iter(rows)
    shown = list(itertools.islice(iterator, _MOST_ROWS))
    lines = ["".join(f"<th {_LEFT}>{cell(name)}</th>" for name in head)]
    lines += ["".join(f"<td>{cell(value)}</td>" for value in row) for row in shown]
    if more := sum(1 for _ in iterator):
        lines.append(f"<td colspan='{len(head)}'>and {more} more</td>")
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def settings_html(kind: str, settings: Mapping[str, Any]) -> str:
    """A configuration as an HTML table: what is set, under the name of its kind.

    Values that say nothing (None, empty texts and collections) are left out; collections are shown
    an element a time.
    """
    told = {"": kind}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{k}: {v}" for k, v in value.items())
        elif isinstance(value, (list, tuple, set, frozenset)):
            items = sorted(map(str, value)) if isinstance(value, (set, frozenset)) else value
            text = ", ".join(map(str, items))
        else:
            text = "" if value is None else str(value)
        told[name] = text
    return table_html(told)
