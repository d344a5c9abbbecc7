"""Wide tables of small random catalogs, live and in a bag, against loops over the bag's rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLDenormalizeError
from deriva_ml.schema import create_ml_catalog

from .reference import Refused, Row, World, wide

SCHEMA = "lab"
_number = count()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed catalog without tables of its own."""
    place = tmp_path_factory.mktemp("empty") / "catalog"
    create_ml_catalog(str(place), SCHEMA).close()
    return place


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to five tables, each with up to two references, and up to two links."""
    names = [f"T{n}" for n in range(draw(st.integers(2, 5)))]
    references: dict[str, list[tuple[str, str, bool]]] = {}
    for place, name in enumerate(names):
        above = draw(st.lists(st.sampled_from(names[:place]), max_size=2)) if place else []
        keys = [(f"{other}_{n}", other, draw(st.booleans())) for n, other in enumerate(above)]
        references[name] = keys
    pairs = [(a, b) for a in names for b in names if a < b]
    linked = draw(st.lists(st.sampled_from(pairs), max_size=2, unique=True))
    return World(references, {f"{a}_{b}": (a, b) for a, b in linked})


def _rows(draw: Any, world: World, table: str) -> list[Row]:
    """Rows of one table whose references are to rows that there are."""
    found = []
    for _ in range(draw(st.integers(0, 4))):
        row: Row = {}
        for column, other, nullable in world.keys(table):
            rids = [r["RID"] for r in world.rows[other]]
            choices = [*rids, None] if nullable else rids
            if not choices:
                return []
            row[column] = draw(st.sampled_from(choices))
        if table not in world.links or row not in found:
            found.append(row)
    return found


@contextmanager
def _connected(empty: Path) -> Iterator[DerivaML]:
    place = empty.parent / f"world{next(_number)}"
    shutil.copytree(empty, place / "catalog")
    ml = DerivaML(str(place / "catalog"), working_dir=place / "work")
    try:
        yield ml
    finally:
        ml.catalog.close()
        shutil.rmtree(place)


def _create(ml: DerivaML, world: World) -> None:
    documents = [_document(t, world.keys(t), t in world.links) for t in world.tables()]
    documents += [
        _document(f"Dataset_{t}", [("Dataset", "deriva-ml:Dataset", False), (t, t, False)], True)
        for t in world.references
    ]
    ml.catalog.create(documents)


def _document(name: str, keys: list[tuple[str, str, bool]], is_link: bool) -> dict[str, Any]:
    columns = [column_document(c, "text", nullok=null) for c, _, null in keys]
    references = []
    for column, target, _ in keys:
        schema, _, table = target.rpartition(":")
        references.append(foreign_key_document([column], schema or SCHEMA, table))
    unique = [key_document([c for c, _, _ in keys])] if is_link else []
    made = table_document(name, columns, keys=unique, foreign_keys=references)
    return made | {"schema_name": SCHEMA}


def _fill(ml: DerivaML, world: World, draw: Any) -> None:
    for table in world.tables():
        rows = _rows(draw, world, table)
        made = ml.catalog.insert(TableName(table, SCHEMA), rows) if rows else []
        names = ["RID", *(c for c, _, _ in world.keys(table))]
        world.rows[table] = [{n: row[n] for n in names} for row in made]
    for table in world.references:
        rids = [row["RID"] for row in world.rows[table]]
        some = draw(st.lists(st.sampled_from(rids), max_size=3, unique=True)) if rids else []
        if some:
            world.members[table] = some


def _answer(dataset: Any, include: list[str], options: dict[str, Any]) -> Any:
    try:
        return list(dataset.get_denormalized_as_dict(include, **options))
    except DerivaMLDenormalizeError as error:
        return type(error).__name__.removeprefix("DerivaMLDenormalize")


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), world=worlds())
def test_wide_tables_are_what_nested_loops_give(
    empty: Path, data: st.DataObject, world: World
) -> None:
    with _connected(empty) as ml:
        _create(ml, world)
        _fill(ml, world, data.draw)
        dataset = ml.datasets.create(members=world.members)
        bag = dataset.download_dataset_bag()
        for table, rows in world.rows.items():
            inside = {row["RID"] for row in bag.get_table_as_dict(table)}
            world.rows[table] = [row for row in rows if row["RID"] in inside]
        for _ in range(6):
            include = data.draw(
                st.lists(st.sampled_from(world.tables()), min_size=1, max_size=3, unique=True)
            )
            row_per = data.draw(st.sampled_from([None, None, *include]))
            via = data.draw(st.lists(st.sampled_from(world.tables()), max_size=1))
            options = {"row_per": row_per, "via": via}
            try:
                expected: Any = wide(world, include, row_per, via)
            except Refused as refused:
                expected = refused.kind
            assert _answer(dataset, include, options) == expected
            assert _answer(bag, include, options) == expected
