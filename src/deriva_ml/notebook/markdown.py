"""An executed notebook as one Markdown text that needs no other file.

Frames become tables of Markdown, images become data URLs, text goes into fenced blocks. What only
a browser can show, such as a widget, is named.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

__all__ = ["to_markdown"]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_REFERENCE = re.compile(r"&(?=#?\w+;)")
_ATTACHED = re.compile(r"attachment:([^)\s\"']+)")


def to_markdown(notebook: Any) -> str:
    """Return a notebook as Markdown.

    Args:
        notebook: Its content, as JSON or as `nbformat` reads it, in version 4.
    """
    language = notebook["metadata"].get("language_info", {}).get("name", "python")
    parts = [_cell(cell, language) for cell in notebook["cells"]]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


def _cell(cell: Any, language: str) -> str:
    source = _text(cell["source"]).strip("\n")
    if cell["cell_type"] == "markdown":
        return _with_attachments(source, cell.get("attachments", {}))
    if cell["cell_type"] != "code":
        return source
    parts = [_fenced(source, language)] if source.strip() else []
    pending = ""
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            pending += _text(output["text"])
            continue
        parts += [_stream(pending), _output(output)]
        pending = ""
    parts.append(_stream(pending))
    return "\n\n".join(part for part in parts if part)


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)


def _with_attachments(source: str, attachments: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a cell with the images that were pasted into it."""

    def inlined(match: re.Match[str]) -> str:
        found = attachments.get(match[1], {})
        return next((_address(kind, data) for kind, data in found.items()), match[0])

    return _ATTACHED.sub(inlined, source)


def _stream(text: str) -> str:
    shown = _overwritten(_ANSI.sub("", text)).strip("\n")
    return _fenced(shown, "text") if shown.strip() else ""


def _overwritten(text: str) -> str:
    """What a terminal would show at last, where a line was written again and again."""
    return "\n".join(
        line.rstrip("\r").rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")
    )


def _output(output: Any) -> str:
    if output["output_type"] == "error":
        return _stream("\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}")
    data = output.get("data", {})
    for kind in _IMAGES:
        if kind in data:
            return f"![{_alt(data)}]({_address(kind, data[kind])})"
    if "image/svg+xml" in data:
        svg = quote(_text(data["image/svg+xml"]), safe="")
        return f"![{_alt(data)}](data:image/svg+xml,{svg})"
    if "text/markdown" in data:
        return _text(data["text/markdown"]).strip("\n")
    if "text/html" in data:
        return _of_html(_text(data["text/html"]), data)
    if "text/latex" in data:
        return _text(data["text/latex"]).strip("\n")
    return _plain(data)


def _alt(data: Mapping[str, Any]) -> str:
    words = _text(data.get("text/plain", "image")).split()
    return re.sub(r"[\[\]<>]", "", " ".join(words))[:80] or "image"


def _address(kind: str, data: Any) -> str:
    content = _text(data)
    if kind == "image/svg+xml":
        content = base64.b64encode(content.encode()).decode()
    return f"data:{kind};base64,{''.join(content.split())}"


def _plain(data: Mapping[str, Any]) -> str:
    if "text/plain" in data:
        return _stream(_text(data["text/plain"]))
    kinds = ", ".join(sorted(data))
    return f"*An output that only a notebook shows ({kinds}).*" if kinds else ""


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


# --- tables ------------------------------------------------------------------------------


def _of_html(html: str, data: Mapping[str, Any]) -> str:
    """Tables as Markdown, with the text around them; the plain text where there is none."""
    reader = _Tables()
    reader.feed(html)
    reader.close()
    if not reader.found_table:
        return _plain(data) if "text/plain" in data else reader.text()
    return reader.text()


class _Tables(HTMLParser):
    """Reads the tables of a piece of HTML, and the text between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found_table = False
        self._parts: list[str] = []
        self._rows: list[tuple[bool, list[str]]] = []
        self._row: list[str] = []
        self._cell: list[str] | None = None
        self._words: list[str] = []
        self._depth = 0
        self._hidden = 0
        self._head = False
        self._headed = False
        self._span = 1
        self._below: dict[int, tuple[int, str]] = {}
        self._down = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        given = dict(attrs)
        if tag in ("style", "script"):
            self._hidden += 1
        elif tag == "table":
            self._depth += 1
            if self._depth == 1:
                self.found_table = True
                self._flush_words()
                self._rows, self._below, self._headed = [], {}, False
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")
        elif self._depth != 1:
            return
        elif tag == "thead":
            self._head = True
        elif tag == "tr":
            self._row, self._headed = [], True
        elif tag in ("td", "th"):
            self._fill_from_above()
            self._cell = []
            self._headed = self._headed and tag == "th"
            self._span = _number(given.get("colspan"))
            self._down = _number(given.get("rowspan"))

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag in ("style", "script"):
            self._hidden = max(0, self._hidden - 1)
        elif tag == "table":
            self._depth = max(0, self._depth - 1)
            if self._depth == 0:
                self._parts.append(_table(self._rows))
        elif self._depth > 1:
            return
        elif tag in ("p", "div", "li", "h1", "h2", "h3") and self._depth == 0:
            self._flush_words()
        elif self._depth == 0:
            return
        elif tag == "thead":
            self._head = False
        elif tag in ("td", "th") and self._cell is not None:
            self._end_cell()
        elif tag == "tr":
            self._fill_from_above()
            self._rows.append((self._head or (self._headed and not self._rows), self._row))

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._hidden:
            return
        if self._cell is not None:
            self._cell.append(data)
        elif self._depth == 0:
            self._words.append(data)

    def text(self) -> str:
        """What was read, as Markdown."""
        self._flush_words()
        return "\n\n".join(part for part in self._parts if part)

    def _end_cell(self) -> None:
        text = _words(self._cell or ()).replace("|", "\\|")
        for column in range(self._span):
            if self._down > 1:
                self._below[len(self._row)] = (self._down - 1, "")
            self._row.append(text if column == 0 else "")
        self._cell = None

    def _fill_from_above(self) -> None:
        """Leave the places free that a cell of a row above reaches into."""
        while (place := len(self._row)) in self._below:
            left, text = self._below.pop(place)
            if left > 1:
                self._below[place] = (left - 1, text)
            self._row.append(text)

    def _flush_words(self) -> None:
        words = _words(self._words)
        self._words = []
        if words:
            self._parts.append(words)


def _words(parts: Iterable[str]) -> str:
    """Text of HTML in one line; what would be a tag or a reference in it stays text."""
    text = " ".join("".join(parts).split())
    return _REFERENCE.sub("&amp;", text).replace("<", "&lt;")


def _number(text: str | None) -> int:
    return max(1, int(text)) if text is not None and text.isdigit() else 1


def _table(rows: list[tuple[bool, list[str]]]) -> str:
    """Rows as a table of Markdown; several rows of headings become one."""
    rows = [(head, cells) for head, cells in rows if cells]
    if not rows:
        return ""
    width = max(len(cells) for _, cells in rows)
    full = [(head, cells + [""] * (width - len(cells))) for head, cells in rows]
    heads = [cells for head, cells in full if head]
    body = [cells for head, cells in full if not head]
    title = [" ".join(filter(None, column)) for column in zip(*heads, strict=True)]
    title = title or [""] * width
    lines = [title, ["---"] * width, *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
