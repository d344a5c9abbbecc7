"""Results of a catalog that are kept on this machine, and read again in place of asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deriva_catalog.model.elements import Column, Table
from deriva_catalog.path.ast import Filter
from deriva_catalog.path.frames import Output, frame_of
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    some_of,
    translated,
)
from deriva_ml.core.query import any_of, attributes, is_null
from deriva_ml.core.session import Session
from deriva_ml.denormalize import Source, make_wide_table

from .results import CachedResult, ResultCache, key_of_question

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Workspace"]

Tables = str | Table | Iterable[str | Table]
Content = tuple[list[Output], list[list[Any]]]


@dataclass(frozen=True, slots=True)
class _About:
    """What is asked: of which source and tables, at which snapshot, and the question itself."""

    source: str
    tables: list[str]
    snapshot: str
    question: dict[str, Any]


class Workspace:
    """What this machine keeps of the answers of one catalog.

    Everything is kept with the snapshot that it was read at. After any change of the catalog,
    questions about its present state are asked anew; what was read of a version stays for good.
    (Outputs of executions that wait for their upload are kept elsewhere, with the execution.)

    Args:
        working_dir: Base of the directory for this catalog; None means the usual one.
        hostname: Where the catalog is (see `DerivaML`).
        catalog_id: Its number, or its alias.
    """

    def __init__(
        self,
        working_dir: str | Path | None = None,
        hostname: str = "localhost",
        catalog_id: str | int = 1,
    ) -> None:
        from deriva_ml.core.connect import open_session

        self._session = open_session(hostname, catalog_id, working_dir=working_dir)
        self._owned = True
        self._results = _results(self._session)

    @classmethod
    def of(cls, session: Session) -> Self:
        """The workspace of a connection, which goes on to belong to whoever made it."""
        made = object.__new__(cls)
        made._session = session
        made._owned = False
        made._results = _results(session)
        return made

    @property
    def root(self) -> Path:
        """The directory that the results are in."""
        return self._results.directory

    # --- reading through the cache ---------------------------------------------------

    @translated()
    def cached_table_read(
        self,
        table: str | Table,
        predicate: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        source: str = "catalog",
        refresh: bool = False,
        ttl: float | None = None,
    ) -> pd.DataFrame:
        """Rows of a table, in the order of their RIDs; asked for only if they are not kept.

        Args:
            table: The table.
            predicate: Columns with the value that they must have, or a list of values; None is
                no value.
            columns: Which columns; None means all.
            source: ``catalog`` for what it is now, or a snapshot.
            refresh: Ask in any case.
            ttl: Ask if what is kept is older than so many seconds.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLValidationError: The table has no such column.
        """
        snapshot = self._snapshot(None if source == "catalog" else source)
        session = self._session.at(snapshot)
        found = session.table(table)
        shown = _columns(found, columns)
        filters = _filters(found, predicate or {})
        question = {
            "table": found.qualified,
            "columns": [c.name for c in shown],
            "predicate": sorted((str(k), v) for k, v in (predicate or {}).items()),
            "source": source,
        }

        def ask() -> Content:
            names = dict.fromkeys(("RID", *(c.name for c in shown)))
            rows = session.fetch(attributes(found, names, *filters, sort=("RID",)))
            outputs = [Output(c.name, c.type) for c in shown]
            return outputs, [[row[c.name] for row in rows] for c in shown]

        about = _About(source, [found.name], snapshot, question)
        return self._answer(about, ask, refresh=refresh, ttl_s=ttl)

    @translated()
    def cache_denormalized(
        self,
        source: Source,
        include_tables: Tables,
        *,
        force: bool = False,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        ignore_unrelated_anchors: bool = False,
    ) -> pd.DataFrame:
        """A wide table; made only if it is not kept (see `Dataset.cache_denormalized`).

        Args:
            source: Where its rows come from: `Dataset.denormalization_source`.
            include_tables: Tables whose columns are shown.
            force: Make it in any case.
            row_per: What a row stands for.
            via: Tables that lead from one to another.
            ignore_unrelated_anchors: Leave out members that have nothing to do with it.
        """
        snapshot = self._snapshot(source.session.catalog.snaptime)
        past = Source(source.session.at(snapshot), source.kind, source.dataset, source.given)
        asked = _names(include_tables)
        over = None if via is None else _names(via)
        live = source.session.catalog.snaptime is None
        question = {
            "dataset": source.dataset,
            "anchors": None if source.given is None else sorted(source.given.rids.items()),
            "include": asked,
            "row_per": None if row_per is None else _names(row_per),
            "via": over,
            "ignore": ignore_unrelated_anchors,
            "snapshot": None if live else snapshot,
        }

        def ask() -> Content:
            return make_wide_table(
                past,
                asked,
                row_per=row_per,
                via=over,
                ignore_unrelated_anchors=ignore_unrelated_anchors,
            ).content()

        about = _About(source.dataset or "rows", asked, snapshot, question)
        return self._answer(about, ask, refresh=force)

    def _answer(
        self,
        about: _About,
        ask: Callable[[], Content],
        *,
        refresh: bool,
        ttl_s: float | None = None,
    ) -> pd.DataFrame:
        """What is kept, if it is of the right snapshot and not too old; else what `ask` gives."""
        key = key_of_question(self._session.identity, about.question)
        found = None if refresh else self._results.find(key)
        if found is not None and (ttl_s is None or time.time() - found.created <= ttl_s):
            frame = self._results.frame(key, about.snapshot)
            if frame is not None:
                return frame
        outputs, columns = ask()
        self._results.keep(key, about.source, about.tables, about.snapshot, outputs, columns)
        return frame_of(columns, outputs)

    def _snapshot(self, snapshot: str | None) -> str:
        return snapshot or self._session.catalog.snaptime or self._session.catalog.latest_snapshot()

    # --- what is kept ----------------------------------------------------------------

    def list_cached_results(self) -> list[CachedResult]:
        """What is kept, the newest first."""
        return list(self._results.list())

    def get_cached_result(self, key: str) -> pd.DataFrame:
        """A result by the key that it is listed with.

        Raises:
            DerivaMLNotFoundError: There is none.
        """
        frame = self._results.frame(key)
        if frame is None:
            raise DerivaMLNotFoundError(
                f"No result is kept under {key!r}; list_cached_results() lists those that are."
            )
        return frame

    def invalidate_cache(self, cache_key: str | None = None, source: str | None = None) -> int:
        """Forget one result, those of a source, or all; returns how many.

        Args:
            cache_key: The key of one.
            source: ``catalog``, a snapshot, or the RID of a dataset.
        """
        if cache_key is not None:
            return int(self._results.drop(cache_key))
        kept = [r for r in self._results.list() if source in (None, r.source)]
        return sum(self._results.drop(r.key) for r in kept)

    # --- the connection --------------------------------------------------------------

    def close(self) -> None:
        """End the connection, if the workspace made it."""
        if self._owned:
            self._session.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"


def _results(session: Session) -> ResultCache:
    return ResultCache(session.cache_dir / "results")


def _names(tables: Tables) -> list[str]:
    listed = [tables] if isinstance(tables, str | Table) else list(tables)
    return [t.qualified if isinstance(t, Table) else str(t) for t in listed]


def _columns(table: Table, names: Sequence[str] | None) -> list[Column]:
    if names is None:
        return list(table.columns)
    return [_column(table, name) for name in ([names] if isinstance(names, str) else names)]


def _column(table: Table, name: str) -> Column:
    column = table.by_name.get(name)
    if column is None:
        raise DerivaMLValidationError(
            f"Table {table.qualified!r} has no column {name!r}; it has "
            f"{some_of(list(table.by_name))}."
        )
    return column


def _filters(table: Table, predicate: Mapping[str, Any]) -> list[Filter]:
    found: list[Filter] = []
    for name, wanted in predicate.items():
        column = _column(table, name).name
        values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
        if values == [None]:
            found.append(is_null(column))
        elif None in values or not values:
            raise DerivaMLValidationError(
                f"predicate[{name!r}] is {wanted!r}: give a value, a list of values without None "
                "and not empty, or None alone."
            )
        else:
            found.append(any_of(column, [_text(v) for v in values]))
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
