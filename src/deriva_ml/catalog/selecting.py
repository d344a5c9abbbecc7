"""What is cloned: the rows that anchors lead to, or all, in a bag of one snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deriva_catalog.bag import export_bag
from deriva_ml.core.arguments import words
from deriva_ml.core.connect import open_session
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.core.host import is_directory
from deriva_ml.core.rids import check_rids
from deriva_ml.core.session import Session
from deriva_ml.dataset.reach import reach

from .policy import AssetMode, ClonePolicy, tables_named

__all__ = ["Anchors", "Selection", "bag_place", "export_selection", "opened_source", "select_rows"]

TableKey = tuple[str, str]
Anchors = Iterable[str] | Mapping[str, Iterable[str]]
"""RIDs, or RIDs by the names of their tables."""


@contextmanager
def opened_source(
    hostname: str, catalog_id: str | int, credential: Mapping[str, Any] | None
) -> Iterator[Session]:
    """The original, at one snapshot."""
    wanted = str(catalog_id)
    number, at, moment = wanted.partition("@")
    with TemporaryDirectory() as work:
        session = open_session(
            hostname,
            "1" if is_directory(hostname) else number,
            working_dir=work,
            credential=credential,
        )
        try:
            fixed = session.at(moment if at else session.catalog.latest_snapshot())
            yield replace(fixed, identity=session.identity)
        finally:
            session.catalog.close()


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that are cloned, and a text that tells the selection from others."""

    rows: Mapping[TableKey, Any]
    digest: str


def select_rows(
    source: Session, anchors: Anchors | None, root_rid: str | None, policy: ClonePolicy
) -> Selection:
    """Find the rows that are cloned: everything, or what belongs to the anchors.

    Raises:
        DerivaMLNotFoundError: An anchor does not exist.
        DerivaMLTableNotFound: A table that the policy names does not exist.
        DerivaMLValidationError: A schema that is to be left out does not exist.
    """
    known = source.model.model.schemas
    unknown = [name for name in policy.exclude_schemas if name not in known]
    if unknown:
        raise DerivaMLValidationError(
            f"There is no schema {unknown[0]!r} that could be left out; the catalog has "
            f"{some_of(sorted(known))}."
        )
    excluded = set(tables_named(source.model.model, policy.exclude_objects))
    left_out = {name for _, name in excluded}
    schemas = {source.ml_schema, *source.model.domain_schemas} - set(policy.exclude_schemas)
    starts = _anchors(source, anchors, root_rid)
    rows: dict[TableKey, Any] = {}
    if starts is None:
        rows = {
            (t.schema, t.name): "all" for t in source.model.model.tables() if t.schema in schemas
        }
    else:
        dataset = (source.ml_schema, "Dataset")
        found = reach(source, starts.pop(dataset, ()), left_out, concurrency=8, others=starts)
        rows = {**found.rids, **dict.fromkeys(found.whole, "all")}
        rows |= dict.fromkeys(tables_named(source.model.model, policy.include_tables), "all")
    kept = {k: v for k, v in rows.items() if k[0] in schemas and k not in excluded}
    told = repr((source.identity, source.catalog.snaptime, sorted(kept.items(), key=repr), policy))
    return Selection(kept, hashlib.sha256(told.encode()).hexdigest()[:16])


def _anchors(
    source: Session, anchors: Anchors | None, root_rid: str | None
) -> dict[TableKey, list[str]] | None:
    """The rows to start at by table; None when everything is wanted."""
    if anchors is None and root_rid is None:
        return None
    given = (
        [rid for some in anchors.values() for rid in some]
        if isinstance(anchors, Mapping)
        else words(anchors, "anchors")
    )
    rids = check_rids(dict.fromkeys([*([] if root_rid is None else [root_rid]), *given]))
    places = source.catalog.resolve_rids(rids)
    missing = [rid for rid in rids if rid not in places]
    if missing:
        raise DerivaMLNotFoundError(
            f"There is no row {missing[0]!r} in catalog {source.catalog.id!r} to be cloned."
        )
    if root_rid is not None and places[root_rid].table != "Dataset":
        raise DerivaMLValidationError(
            f"root_rid {root_rid!r} is a row of {places[root_rid].table!r}, not a dataset; give "
            "it as one of the anchors."
        )
    if isinstance(anchors, Mapping):
        _refuse_misplaced(anchors, places)
    starts: dict[TableKey, list[str]] = {}
    for rid in rids:
        starts.setdefault((places[rid].schema, places[rid].table), []).append(rid)
    return starts


def _refuse_misplaced(anchors: Mapping[str, Iterable[str]], places: Mapping[str, Any]) -> None:
    for name, rids in anchors.items():
        wrong = [r for r in rids if places[r].table != name.rpartition(":")[2]]
        if wrong:
            raise DerivaMLValidationError(
                f"{wrong[0]!r} is a row of {places[wrong[0]].table!r}, not of {name!r}."
            )


@contextmanager
def bag_place(
    output_dir: Path | str | None, source: Session, selection: Selection
) -> Iterator[Path]:
    """Where the bag goes. One that is kept has a name that tells what is in it."""
    if output_dir is not None:
        base = Path(output_dir).expanduser()
        yield base / f"catalog_{source.catalog.id}_{selection.digest}"
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary) / "bag"


def export_selection(
    source: Session, selection: Selection, policy: ClonePolicy, place: Path
) -> None:
    """Write the rows into a new bag, with files only where they are to come along."""
    in_process = source.catalog.objects.content.directory is not None
    linked = in_process and policy.asset_mode is not AssetMode.ROWS_ONLY
    asset_tables = [
        (t.schema, t.name)
        for t in source.model.find_assets()
        # Rows of File describe files that stay where they are.
        if (t.schema, t.name) in selection.rows and (t.schema, t.name) != (source.ml_schema, "File")
    ]
    export_bag(
        source.catalog,
        place,
        selection.rows,
        files="link" if linked else "list",
        asset_tables=asset_tables,
    )
