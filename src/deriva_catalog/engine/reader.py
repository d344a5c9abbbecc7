"""The reading half of a catalog: queries, counts and the whereabouts of RIDs.

It is the same for the live catalog, for a snapshot and for a bag: they differ in the moment
(`Reading`) that they open.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import sqlalchemy as sa

from .. import rid as rids
from .. import snaptime
from ..errors import CatalogError, NotFound
from ..interface import MediaType, Row, RowLocation
from ..model.elements import Model, Table
from ..path.ast import AggregateQuery, Path, Query, Root, TableName
from ..path.check import require_path, require_query
from ..path.parser import parse_query
from .compile import CompileCache, Compiled, Source, compile_rows
from .compile.cache import literals_in
from .compile.shapes import finds_one_row
from .moments import Moment, Reading
from .policy import Policy
from .prepared import Prepared, PreparedCache
from .relation import END, START
from .serialize import fetch, stream
from .store import Store
from .tables import COMMIT

_TABLES_AT_ONCE = 100
_FEW = 1000
_FEW_LITERALS = 100


class Reader:
    """Answers reading requests, each from one moment that `opening` supplies."""

    def __init__(
        self,
        opening: Callable[[], AbstractContextManager[Reading]],
        policy: Callable[[Moment], Policy | None] | None = None,
        compiled: CompileCache | None = None,
        prepared: PreparedCache | None = None,
        live: Store | None = None,
    ) -> None:
        """Read as `policy` says for each moment; without it, everything.

        `compiled` and `prepared` may be shared by the readers of one catalog. `live` is the
        database, if what is read is its live catalog.
        """
        self._opening = opening
        self._policy = policy or _unrestricted
        self._compiled = CompileCache() if compiled is None else compiled
        self._prepared = PreparedCache() if prepared is None else prepared
        self._store = live

    @property
    def model(self) -> Model:
        """The model of the moment, as far as it is visible."""
        with self._opening() as moment:
            policy = self._policy(moment)
            return moment.model if policy is None else policy.decisions.visible()

    def fetch(self, query: Query | str) -> list[Row]:
        """All rows of a query."""
        parsed = _parsed(query)
        with self._opening() as moment:
            policy = self._policy(moment)
            compiled = self._compile(parsed, moment, policy)
            return fetch(moment.connection, compiled, _parameters(moment, policy))

    def stream(
        self, query: Query | str, media_type: MediaType, *, arrays_json: bool = False
    ) -> Iterator[bytes]:
        """The serialised result in pieces; the moment stays open until the last one is read."""
        parsed = _parsed(query)
        with self._opening() as moment:
            yield from self._serialised(parsed, moment, media_type, arrays_json)

    def dated_stream(
        self, query: Query, media_type: MediaType, *, arrays_json: bool = False
    ) -> tuple[int | None, Iterator[bytes]]:
        """The time of the latest snapshot, and the result of the same moment, not begun yet.

        The time is None inside a transaction.
        """
        made = self._dated(query, media_type, arrays_json)
        latest = next(made)
        return cast("int | None", latest), cast("Iterator[bytes]", made)

    def _dated(
        self, query: Query, media_type: MediaType, arrays_json: bool
    ) -> Generator[int | bytes | None, None, None]:
        found = self._at_once(query, (media_type, arrays_json))
        if found is not None:
            yield from found
            return
        with self._opening() as moment:
            yield moment.latest
            yield from self._serialised(query, moment, media_type, arrays_json)

    def _serialised(
        self, query: Query, moment: Reading, media_type: MediaType, arrays_json: bool
    ) -> Iterator[bytes]:
        policy = self._policy(moment)
        few = _is_small(query)
        if few and moment.at is None:
            form, dialect = (media_type, arrays_json), moment.connection.dialect
            known = self._known(query, form, moment, policy, dialect)
            if known is not None:
                prepared, values = known
                yield prepared.run(moment.connection, values, _parameters(moment, policy))
                return
        yield from stream(
            moment.connection,
            self._compile(query, moment, policy),
            media_type,
            arrays_json=arrays_json,
            parameters=_parameters(moment, policy),
            few=few,
        )

    def _at_once(self, query: Query, form: tuple[str, bool]) -> tuple[int, bytes] | None:
        """The time of the latest snapshot and the result, by one message to the database.

        None when it takes a transaction. What is refused is refused there: by the model as it is
        now, and not as it was when it was last read.

        Raises:
            QueryTimeout: it took too long.
        """
        moment = None if self._store is None else self._store.last_read()
        if self._store is None or moment is None or not _is_small(query):
            return None
        try:
            policy = self._policy(moment)
            known = self._known(query, form, moment, policy, self._store.storage.dialect)
            if known is None:
                return None
            prepared, values = known
            parameters = prepared.parameters(values, _parameters(moment, policy))
        except CatalogError:
            return None
        found = self._store.answer(moment, prepared.statement, parameters)
        return None if found is None else (found[0], prepared.whole(found[1]))

    def _known(
        self,
        query: Query,
        form: tuple[str, bool],
        moment: Moment,
        policy: Policy | None,
        dialect: sa.Dialect,
    ) -> tuple[Prepared, list[str]] | None:
        """The statement that queries of this shape have in common, and the values of this one."""
        if literals_in(query.path) > _FEW_LITERALS:
            return None
        return self._prepared.prepare(
            query,
            form,
            moment.model if policy is None else policy.model,
            None if policy is None else policy.rights,
            lambda shape: self._compile(shape, moment, policy, keep=False),
            dialect,
        )

    def _compile(
        self, query: Query, moment: Moment, policy: Policy | None, *, keep: bool = True
    ) -> Compiled:
        if policy is None:
            return self._compiled.compile(
                query,
                moment.model,
                moment.relation,
                moment.expressions,
                source_key=moment.source,
                keep=keep,
            )
        return self._compiled.compile(
            query,
            policy.model,
            policy.source,
            moment.expressions,
            source_key=moment.source,
            rights=policy.rights,
            has_costly_rights=policy.has_costly_rights,
            keep=keep,
        )

    def count(self, path: Path | TableName) -> int:
        """How many rows of the context table a path reaches."""
        whole = Path(Root(path)) if isinstance(path, TableName) else path
        require_path(whole)
        with self._opening() as moment:
            policy = self._policy(moment)
            source: Source = moment.relation if policy is None else policy.source
            model = moment.model if policy is None else policy.model
            _, chosen = compile_rows(whole, model, source, moment.expressions)
            counted = sa.select(sa.func.count()).select_from(chosen.subquery())
            parameters = _parameters(moment, policy)
            return int(moment.connection.execute(counted, parameters).scalar_one())

    def resolve_rid(self, rid: str) -> RowLocation:
        """Where a RID lives, or lived.

        Raises:
            NotFound: no row has or had it.
        """
        found = self.resolve_rids([rid]).get(rid)
        if found is None:
            raise NotFound(f"No row of the catalog has the RID {rid!r}.", rid=rid)
        return found

    def resolve_rids(self, wanted: Iterable[str]) -> dict[str, RowLocation]:
        """Where each of many RIDs lives; unknown ones are left out.

        A RID matches literally or after normalisation (``1tj`` finds ``1TJ``).

        Only tables that are visible are looked into; whether the rows may be read is no matter.

        Cost: one statement for every 100 tables, and as many again if a RID is not found live.
        """
        spellings = {text: rids.spellings(text) for text in wanted}
        with self._opening() as moment:
            policy = self._policy(moment)
            tables = list(moment.model.tables() if policy is None else policy.visible_tables())
            every = {s for both in spellings.values() for s in both}
            known = _locate(moment, tables, every, _present)
            missing = {
                s for both in spellings.values() if not known.keys() & set(both) for s in both
            }
            if missing and moment.history is not None:
                known |= _locate(moment, tables, missing, _gone)
        return {
            text: next(known[s] for s in both if s in known)
            for text, both in spellings.items()
            if known.keys() & set(both)
        }


def _parameters(moment: Moment, policy: Policy | None) -> Mapping[str, Any] | None:
    if policy is None:
        return moment.parameters or None
    return {**moment.parameters, **policy.parameters}


def _unrestricted(_moment: Moment) -> None:
    return None


def _is_small(query: Query) -> bool:
    """Whether the result of a query is small whatever there is."""
    return finds_one_row(query) or has_few_rows(query)


def has_few_rows(query: Query) -> bool:
    """Whether the limit of a query is so low that its result is small."""
    if isinstance(query, AggregateQuery):
        return True
    return query.window.limit is not None and query.window.limit <= _FEW


def _parsed(query: Query | str) -> Query:
    if isinstance(query, str):
        return parse_query(query).query
    require_query(query)
    return query


_Lookup = Callable[[Reading, Table, sa.FromClause], "sa.Select[*tuple[Any, ...]] | None"]


def _locate(
    moment: Reading, tables: Sequence[Table], wanted: Iterable[str], lookup: _Lookup
) -> dict[str, RowLocation]:
    given = moment.texts(sorted(wanted))
    found: dict[str, RowLocation] = {}
    for start in range(0, len(tables), _TABLES_AT_ONCE):
        part = tables[start : start + _TABLES_AT_ONCE]
        selects = [(t, lookup(moment, t, given)) for t in part]
        named = [
            s.add_columns(sa.literal(start + n).label("t"))
            for n, (_, s) in enumerate(selects)
            if s is not None
        ]
        if named:
            rows = sa.union_all(*named).subquery("found")
            _collect(moment, _dated(rows) if lookup is _gone else sa.select(rows), tables, found)
    return found


def _dated(rows: sa.FromClause) -> sa.Select[*tuple[Any, ...]]:
    """Rows of RID, end and number of the table, with the latest snapshot before the end."""
    last = sa.select(sa.func.max(COMMIT.c.time)).where(COMMIT.c.time < rows.c.ended)
    return sa.select(rows, last.scalar_subquery())


def _collect(
    moment: Reading,
    statement: sa.Select[*tuple[Any, ...]],
    tables: Sequence[Table],
    found: dict[str, RowLocation],
) -> None:
    for rid, ended, number, *last in moment.connection.execute(
        statement, moment.parameters or None
    ):
        place = tables[number].schema, tables[number].name
        before = found.get(rid)
        if ended is None:
            found[rid] = RowLocation(rid, *place)
            continue
        deleted = snaptime.to_iso(ended)
        if before is None or (before.deleted_at and before.deleted_at < deleted):
            seen = [(snaptime.to_iso(at), snaptime.encode(at)) for at in last if at is not None]
            found[rid] = RowLocation(rid, *place, deleted, *(seen[0] if seen else ()))


def _present(moment: Reading, table: Table, given: sa.FromClause) -> sa.Select[*tuple[Any, ...]]:
    rows = (moment.rids or moment.relation)(table)
    none = sa.cast(sa.null(), sa.BigInteger).label("ended")
    return sa.select(rows.c.RID, none).where(rows.c.RID.in_(sa.select(given.c.value)))


def _gone(
    moment: Reading, table: Table, given: sa.FromClause
) -> sa.Select[*tuple[Any, ...]] | None:
    if moment.history is None:
        return None
    past = moment.history(table)
    ended = sa.func.max(past.c[END]).label("ended")
    found = sa.select(past.c.RID, ended).where(past.c.RID.in_(sa.select(given.c.value)))
    if moment.at is not None:
        found = found.where(past.c[START] <= moment.at, past.c[END] <= moment.at)
    return found.group_by(past.c.RID)
