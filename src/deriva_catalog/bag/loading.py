"""Loading a bag into another catalog: its tables, its rows and, where wanted, its files.

Nothing is written before everything is known to fit. Then all rows are written in one
transaction, if the catalog has transactions: it is as before or as after, also when the process
is killed. Loading the same bag again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Forbidden
from ..interface import Address, Catalog, Row
from ..model.elements import Table
from .catalog import BagCatalog, open_bag
from .loading_dangling import find_dangling
from .loading_files import Files, url_column
from .loading_policy import Loaded, LoadPolicy, TableKey
from .loading_rows import Manner, RowPlan, TableKnowledge, Work, Written, plan_rows, write_rows
from .loading_same import find_same
from .loading_schema import SchemaPlan, plan_schema
from .loading_source import Source, name_of
from .sources import Fetcher

__all__ = ["LoadPolicy", "Loaded", "TableKnowledge", "load_bag"]

Finish = Callable[[Catalog, Loaded], object]


def load_bag(
    bag: Path | str | BagCatalog,
    catalog: Catalog,
    policy: LoadPolicy | None = None,
    *,
    knowledge: TableKnowledge | None = None,
    fetcher: Fetcher | None = None,
    finish: Finish | None = None,
    progress: Callable[[int], object] | None = None,
) -> Loaded:
    """Load a bag that was exported from a catalog into another catalog.

    Tables and columns that the catalog lacks are made as the bag's schema document says.

    Args:
        bag: The directory of the bag, or the bag as a catalog.
        catalog: Where it goes.
        policy: What to do where they differ; default: `LoadPolicy()`.
        knowledge: What the tables mean, beyond their schema.
        fetcher: Gets files that the bag lists and does not hold, into the bag.
        finish: Called at the end of the transaction, if anything was changed, with the catalog and
            what was done; what it writes belongs to the same change.
        progress: Told the number of rows of each batch.

    Raises:
        NotFound: There is no bag, or a file is missing.
        Corrupted: The bag is damaged: rows, or a file that would be uploaded.
        Conflict: Tables, terms, identifiers or rows contradict each other, and the policy refuses
            that; the message lists how.
        ForeignKeyViolation: Rows refer to nothing, and the policy refuses that.
        Forbidden: Only owners of the catalog may load as the policy says.

    Cost: a question to the bag for each foreign key; a batch of 10,000 rows is one statement.
    """
    policy = policy or LoadPolicy()
    opened = open_bag(bag) if isinstance(bag, Path | str) else bag
    try:
        return _load(
            opened, catalog, policy, knowledge or TableKnowledge(), fetcher, finish, progress
        )
    finally:
        if opened is not bag:
            opened.close()


def _load(
    bag: BagCatalog,
    catalog: Catalog,
    policy: LoadPolicy,
    knowledge: TableKnowledge,
    fetcher: Fetcher | None,
    finish: Finish | None,
    progress: Callable[[int], object] | None,
) -> Loaded:
    features, owner = _abilities(catalog)
    _refuse_guests(catalog, policy, owner)
    before = catalog.model
    schema = plan_schema(bag.model, before, policy, lambda table: not catalog.count(name_of(table)))
    source = _source(bag, policy)
    origin = _origin(bag)
    same = find_same(
        source, catalog, before, policy, identities=knowledge.identities, known=knowledge.known
    )
    dangling = find_dangling(source, catalog, before, policy, same, origin)
    work = Work(source, catalog, before, policy, knowledge, same, dangling, origin)
    plan = plan_rows(work, lambda table: _ignored(table, knowledge))
    files = Files.of(bag.directory, catalog, policy)
    files.prepare(_written_files(work, plan), fetcher)
    changes = _has_changes(work, plan, schema)
    written, snapshot = Written(), catalog.latest_snapshot()
    if changes:
        with _change(catalog, features) as (in_transaction, snaptime):
            schema.apply(catalog)
            files.register()
            recorded = bool(features.get("recorded_columns"))
            manner = Manner(snaptime, in_transaction, recorded, files, progress)
            written = write_rows(work, plan, manner)
            if finish is not None:
                finish(catalog, _told(work, plan, schema, files, written, snaptime or ""))
        snapshot = catalog.latest_snapshot()
    return _told(work, plan, schema, files, written, snapshot)


def _abilities(catalog: Catalog) -> tuple[Mapping[str, Any], bool]:
    """What the catalog can do, and whether the client owns it."""
    document = catalog.describe(Address())
    features = getattr(catalog, "features", None) or document.get("features") or {}
    return features, bool((document.get("rights") or {}).get("owner"))


def _refuse_guests(catalog: Catalog, policy: LoadPolicy, owner: bool) -> None:
    if not owner and "keep" in (policy.rids, policy.system_columns):
        raise Forbidden(
            f"Only owners of catalog {catalog.id!r} may give rows the identifiers and the makers "
            "that they have in the bag.",
            hint="Load with rids='fresh' and system_columns='fresh'.",
        )


def _source(bag: BagCatalog, policy: LoadPolicy) -> Source:
    return Source.of(bag, (t for t in bag.model.tables() if policy.covers((t.schema, t.name))))


def _origin(bag: BagCatalog) -> str:
    """What tells the catalog that a bag comes from: an identity that it was given, or its id."""
    given = next(
        (v for k, v in bag.model.annotations.items() if k.endswith(":catalog-identity")), None
    )
    return str(given or f"catalog/{bag.id}")


def _ignored(table: Table, knowledge: TableKnowledge) -> set[str]:
    url = url_column(table)
    local = knowledge.local_columns.get((table.schema, table.name), ())
    return {*local, *(() if url is None else (url,))}


def _written_files(work: Work, plan: RowPlan) -> Iterator[tuple[Table, Row]]:
    """The rows of files that are inserted or replaced."""
    for table in work.source.tables:
        if url_column(table) is None:
            continue
        key = (table.schema, table.name)
        left_alone = plan.present.get(key, set())
        if work.policy.existing == "replace":
            left_alone = left_alone - plan.differing.get(key, set())
        for page in work.rows(table):
            yield from ((table, row) for row in page if row["RID"] not in left_alone)


def _has_changes(work: Work, plan: RowPlan, schema: SchemaPlan) -> bool:
    if schema.documents or schema.columns or schema.keys or work.same.terms:
        return True
    if work.policy.existing == "replace" and any(plan.differing.values()):
        return True
    return any(_new_rows(work, plan, table) for table in work.source.tables)


def _new_rows(work: Work, plan: RowPlan, table: Table) -> int:
    key = (table.schema, table.name)
    gone = (work.same.absorbed, work.dangling.dropped, plan.present)
    return work.source.counts[key] - sum(len(g.get(key, ())) for g in gone)


@contextmanager
def _change(catalog: Catalog, features: Mapping[str, Any]) -> Iterator[tuple[bool, str | None]]:
    """One transaction where the catalog has them; else every write is on its own."""
    if not features.get("transactions"):
        yield False, None
        return
    with catalog.transaction() as transaction:
        yield True, transaction.snaptime


def _renamed(work: Work) -> dict[str, str]:
    """The identifiers of rows that have another one in the catalog than in the bag."""
    return {
        old: new
        for columns in work.same.values.values()
        for old, new in columns.get("RID", {}).items()
        if old != new
    }


def _told(
    work: Work,
    plan: RowPlan,
    schema: SchemaPlan,
    files: Files,
    written: Written,
    snapshot: str,
) -> Loaded:
    present: dict[TableKey, int] = {}
    for found in (plan.present, work.same.absorbed):
        for key, rids in found.items():
            if rids:
                present[key] = present.get(key, 0) + len(rids)
    return Loaded(
        snapshot=snapshot,
        tables_created=tuple(schema.tables),
        columns_created=tuple((str(t.schema), t.name, d["name"]) for t, d in schema.columns),
        inserted=written.inserted,
        updated=written.updated,
        present=present,
        deleted={k: len(v) for k, v in work.dangling.dropped.items() if v},
        cleared={k: sum(map(len, v.values())) for k, v in work.dangling.cleared.items() if v},
        uploaded=files.uploaded,
        reused=files.reused,
        listed=files.listed,
        rids=_renamed(work),
    )
