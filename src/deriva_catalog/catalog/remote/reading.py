"""Questions over HTTP: as addresses, as bodies where a server takes them, or in parts.

Source: ERMrest, "Reading"; "Representations".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from ...errors import BadRequest
from ...interface import MediaType, Row
from ...path.ast import (
    Aggregate,
    AggregateQuery,
    AttributeGroupQuery,
    AttributeQuery,
    ColumnName,
    EntityQuery,
    Function,
    Item,
    Path,
    Query,
    Restrict,
    Star,
    Window,
)
from ...path.check import check_query
from ...path.printer import print_path, print_query
from ...path.tokens import refuse_stray
from .link import Link
from .splitting import Parts, split_path, split_query

__all__ = ["LONGEST_ADDRESS", "QUERY_FEATURE", "Questions"]

QUERY_FEATURE = "query_post"
"""The feature of a server that takes a question as the body of ``POST CAT/query``."""
LONGEST_ADDRESS = 6_000
"""Characters of an address that any server takes."""
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class Questions:
    """Asks a catalog, or the snapshot `at` of it."""

    def __init__(self, link: Link, at: str | None) -> None:
        self._link = link
        self._at = at

    # --- rows ------------------------------------------------------------------------

    def fetch(self, query: Query | str) -> list[Row]:
        """All rows of a query, or of a URL tail."""
        tail = self._tail(query)
        if self._is_short(tail) or self._takes_bodies:
            rows: list[Row] = json.loads(b"".join(self._pieces(tail, "application/json")))
            return rows
        return self._fetch_parts(query, tail)

    def stream(
        self, query: Query | str, media_type: MediaType, *, arrays_json: bool = False
    ) -> Iterator[bytes]:
        """The serialised result in pieces."""
        option = "arrays=json" if arrays_json and media_type == "text/csv" else ""
        tail = self._tail(query)
        if self._is_short(tail) or self._takes_bodies:
            yield from _with_bar(self._pieces(_with_option(tail, option), media_type), tail)
            return
        yield from _with_bar(self._stream_parts(query, tail, media_type, option), tail)

    def count(self, path: Path) -> int:
        """How many rows of the context table the path reaches."""
        plain = all(isinstance(element, Restrict) for element in path.elements)
        function = (
            Aggregate(Function.CNT, Star())
            if plain
            else Aggregate(Function.CNT_D, ColumnName("RID"))
        )
        query = AggregateQuery(path, (Item(function, "n"),))
        tail = print_query(query)
        if self._is_short(tail) or self._takes_bodies:
            return int(self.fetch(query)[0]["n"])
        rest = len(tail) - len(print_path(path))
        return sum(self.count(part) for part in split_path(path, LONGEST_ADDRESS - rest))

    # --- one question ----------------------------------------------------------------

    def _tail(self, query: Query | str) -> str:
        if isinstance(query, str):
            refuse_stray(query)
            return query
        check_query(query)
        return print_query(query)

    def _is_short(self, tail: str) -> bool:
        return len(tail) <= LONGEST_ADDRESS

    @property
    def _takes_bodies(self) -> bool:
        return self._link.has(QUERY_FEATURE)

    def _pieces(self, tail: str, media_type: MediaType) -> Iterator[bytes]:
        headers = {"Accept": media_type}
        if self._is_short(tail):
            return self._link.stream("GET", tail, at=self._at, headers=headers)
        content = tail.encode()
        return self._link.stream(
            "POST", "query", at=self._at, headers=headers | _TEXT, content=content
        )

    # --- parts -----------------------------------------------------------------------

    def _parts(self, query: Query | str, tail: str) -> Parts:
        if isinstance(query, str):
            raise BadRequest(
                f"A question of {len(tail)} characters is too long for this server.",
                hint="Ask with fewer values, or by the path builder, which asks in parts.",
            )
        return split_query(query, LONGEST_ADDRESS)

    def _fetch_parts(self, query: Query | str, tail: str) -> list[Row]:
        parts = self._parts(query, tail)
        rows: list[Row] = []
        for part in parts.queries:
            rows += self.fetch(part)
        if isinstance(query, EntityQuery) and not parts.is_context:
            rows = list({row["RID"]: row for row in rows}.values())
        elif isinstance(query, AttributeGroupQuery):
            rows = list({json.dumps(row, sort_keys=True): row for row in rows}.values())
        assert isinstance(query, (EntityQuery, AttributeQuery, AttributeGroupQuery))
        return _windowed(rows, query.window)

    def _stream_parts(
        self, query: Query | str, tail: str, media_type: MediaType, option: str
    ) -> Iterator[bytes]:
        parts = self._parts(query, tail)
        if media_type == "application/json":
            yield from _json_pieces(self._fetch_parts(query, tail))
            return
        if not _keeps_order(query, parts):
            raise BadRequest(
                "The question is too long for this server, and the parts of its answer cannot be "
                f"put together as {media_type}.",
                hint="Ask with fewer values at a time, or fetch rows.",
            )
        for number, part in enumerate(parts.queries):
            pieces = self._pieces(_with_option(print_query(part), option), media_type)
            if number and media_type == "text/csv":
                pieces = _without_header(pieces)
            yield from pieces


def _with_option(tail: str, option: str) -> str:
    if not option:
        return tail
    return f"{tail}{'&' if '?' in tail else '?'}{option}"


def _keeps_order(query: Query | str, parts: Parts) -> bool:
    """Whether the answers to parts, one after the other, are the answer."""
    if not isinstance(query, (EntityQuery, AttributeQuery)) or not parts.is_context:
        return False
    window = query.window
    sorts = [(key.name, key.descending) for key in window.sort]
    return window.limit is None and sorts in ([], [(parts.column, False)])


def _windowed(rows: list[Row], window: Window) -> list[Row]:
    """The rows of all parts in order, cut to the limit."""
    for key in reversed(window.sort):
        here = [row for row in rows if row[key.name] is not None]
        nulls = [row for row in rows if row[key.name] is None]
        try:
            here.sort(key=itemgetter(key.name), reverse=key.descending)
        except TypeError as error:
            raise BadRequest(
                f"The rows are asked for in parts and cannot be sorted by {key.name!r}.",
                hint="Ask with fewer values at a time.",
            ) from error
        rows = nulls + here if key.descending else here + nulls
    if window.limit is None:
        return rows
    if window.before is not None and window.after is None:
        return rows[max(0, len(rows) - window.limit) :]
    return rows[: window.limit]


def _json_pieces(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    opening = b"["
    for row in rows:
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        yield opening + text.encode()
        opening = b",\n "
    yield b"]\n" if opening != b"[" else b"[]\n"


def _without_header(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Drop the first record: names of columns, perhaps with line ends inside quotes."""
    head = b""
    for piece in pieces:
        head += piece
        end = -1
        while (end := head.find(b"\n", end + 1)) >= 0:
            if head.count(b'"', 0, end) % 2 == 0:
                yield head[end + 1 :]
                yield from pieces
                return


def _with_bar(pieces: Iterator[bytes], tail: str) -> Iterator[bytes]:
    """Show how many bytes have come, on a terminal and once it has taken a moment."""
    from tqdm import tqdm

    what = tail.partition("?")[0][:60]
    with tqdm(desc=what, unit="B", unit_scale=True, disable=None, leave=False, delay=1.0) as bar:
        for piece in pieces:
            bar.update(len(piece))
            yield piece
