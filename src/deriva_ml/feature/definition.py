"""Features: tables of values about the rows of another table, each made by an execution."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from deriva_catalog.model.elements import Column, ForeignKey, Table
from deriva_ml.core.exceptions import DerivaMLFeatureNotFound, some_of
from deriva_ml.model.associations import Association, association_of

if TYPE_CHECKING:
    from deriva_ml.model.catalog import DerivaModel

    from .record import FeatureRecord

__all__ = ["Feature", "find_features", "lookup_feature"]

FEATURE_NAME, EXECUTION = "Feature_Name", "Execution"


@dataclass(frozen=True)
class Feature:
    """A feature of a table.

    Attributes:
        feature_name: Its name, a term of `Feature_Name`.
        target_table: The table whose rows the values are about.
        feature_table: The table of values.
        target_column: The column of `feature_table` that refers to the target row.
        term_columns: Columns that hold a term of a vocabulary.
        asset_columns: Columns that refer to a file.
        value_columns: The other columns with values.
        qualifier_columns: Names of columns that tell apart several values of one execution about
            one row, such as who annotated it.
        vocabularies: The vocabulary table of each term column.
        describes_files: Whether the target is an asset table, so that its rows are files.
    """

    feature_name: str
    target_table: Table
    feature_table: Table
    target_column: str
    term_columns: tuple[Column, ...]
    asset_columns: tuple[Column, ...]
    value_columns: tuple[Column, ...]
    qualifier_columns: tuple[str, ...]
    vocabularies: dict[str, Table] = field(default_factory=dict, repr=False)
    describes_files: bool = False

    @property
    def file_columns(self) -> tuple[str, ...]:
        """Names of columns that refer to a file: where a record may name it by its path."""
        about = (self.target_column,) if self.describes_files else ()
        return (*about, *(c.name for c in self.asset_columns))

    @property
    def feature_columns(self) -> tuple[Column, ...]:
        """All columns with values, in the order of the table."""
        mine = {c.name for c in (*self.term_columns, *self.asset_columns, *self.value_columns)}
        return tuple(c for c in self.feature_table.columns if c.name in mine)

    @cached_property
    def _record_class(self) -> type[FeatureRecord]:
        from .record import record_class

        return record_class(self)

    def feature_record_class(self) -> type[FeatureRecord]:
        """The class of the feature's records, made from its columns."""
        return self._record_class

    def __str__(self) -> str:
        return f"{self.target_table.name}:{self.feature_name}"

    def __repr__(self) -> str:
        columns = ", ".join(column.name for column in self.feature_columns)
        return f"<feature {self}: {columns}>"


def find_features(model: DerivaModel, table: Table | None = None) -> Iterator[Feature]:
    """The features of one table or of every table, in the order of their tables' names."""
    for candidate in model.tables():
        feature = _feature(model, candidate)
        if feature is not None and table in (None, feature.target_table):
            yield feature


def lookup_feature(model: DerivaModel, target: Table, feature_name: str) -> Feature:
    """The feature of a table of that name.

    Raises:
        DerivaMLFeatureNotFound: The table has no such feature; near names are suggested.
    """
    known = {f.feature_name: f for f in find_features(model, target)}
    if feature_name in known:
        return known[feature_name]
    near = difflib.get_close_matches(str(feature_name), known)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has {some_of(sorted(known))}."
    if not known:
        hint = "It has none; create_feature() makes one."
    raise DerivaMLFeatureNotFound(
        target.name,
        str(feature_name),
        f"Table {target.name!r} has no feature {feature_name!r}. {hint}",
    )


def _feature(model: DerivaModel, table: Table) -> Feature | None:
    link = association_of(table)
    if link is None or len(link.links) < 3 or not {FEATURE_NAME, EXECUTION} <= set(table.by_name):
        return None
    name = table.by_name[FEATURE_NAME].default
    target = _target(link)
    if not isinstance(name, str) or target is None:
        return None
    column = target.columns[0]
    keyed = {c for f in link.links for c in f.columns} | set(link.qualifiers)
    references = {f.columns[0]: f for f in table.foreign_keys if len(f.columns) == 1}
    schemas = model.schemas
    targets = {
        c: schemas[f.referenced_schema].tables[f.referenced_table] for c, f in references.items()
    }
    own = [c for c in table.columns if not c.is_system and c.name not in keyed]
    terms = [c for c in own if c.name in targets and model.is_vocabulary(targets[c.name])]
    assets = [c for c in own if c.name in targets and model.is_asset(targets[c.name])]
    linked = {c.name for c in (*terms, *assets)}
    described = schemas[target.referenced_schema].tables[target.referenced_table]
    return Feature(
        feature_name=name,
        target_table=described,
        feature_table=table,
        target_column=column,
        term_columns=tuple(terms),
        asset_columns=tuple(assets),
        value_columns=tuple(c for c in own if c.name not in linked),
        qualifier_columns=tuple(sorted(keyed - {column, FEATURE_NAME, EXECUTION})),
        vocabularies={c.name: targets[c.name] for c in terms},
        describes_files=model.is_asset(described),
    )


def _target(link: Association) -> ForeignKey | None:
    """The reference to the row that a value is about: the one the table is named after."""
    others = [f for f in link.links if f.columns[0] not in (FEATURE_NAME, EXECUTION)]
    named = [f for f in others if link.table.name.startswith(f"Execution_{f.columns[0]}_")]
    return next(iter([*named, *others]), None)
