"""What the Python builder needs from whatever answers its questions: a part of a catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from ..model.elements import Model
from .ast import Path, Query, TableName

Row = dict[str, Any]
MediaType = Literal["application/json", "application/x-json-stream", "text/csv"]


class Executor(Protocol):
    """Runs queries and writes rows; every catalog is one."""

    @property
    def model(self) -> Model:
        """The model that names are looked up in."""
        ...

    def fetch(self, query: Query) -> list[Row]:
        """All rows of a query."""
        ...

    def stream(self, query: Query, media_type: MediaType) -> Iterator[bytes]:
        """The serialised result in pieces."""
        ...

    def count(self, path: Path) -> int:
        """How many rows of the context table the path reaches."""
        ...

    def insert(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        defaults: Iterable[str] = (),
        nondefaults: Iterable[str] = (),
        on_conflict: Literal["skip"] | None = None,
        returning: bool = True,
    ) -> list[Row]:
        """Insert rows."""
        ...

    def update(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        keys: Sequence[str] = ("RID",),
        targets: Sequence[str] | None = None,
    ) -> list[Row]:
        """Set `targets` of the rows that match on `keys`."""
        ...

    def delete(self, path: Path) -> int:
        """Delete the rows of the path's context table; returns how many."""
        ...
