"""How things show themselves in a notebook: small HTML tables."""

from __future__ import annotations

import html
from collections.abc import Mapping

__all__ = ["table_html"]


def table_html(lines: Mapping[str, str]) -> str:
    """Names and values as an HTML table; empty values are left out."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td>{html.escape(value)}</td></tr>"
        for name, value in lines.items()
        if value
    )
    return f"<table>{cells}</table>"
