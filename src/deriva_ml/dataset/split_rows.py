"""The rows that the parts of a dataset are chosen from: one for each element, or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from deriva_catalog.model.elements import Table
from deriva_ml.core.arguments import check_text
from deriva_ml.core.exceptions import DerivaMLValidationError, some_of
from deriva_ml.core.session import Session
from deriva_ml.denormalize import anchors_of_dataset

if TYPE_CHECKING:
    import pandas as pd

    from .dataset import Dataset

__all__ = ["PartitionBy", "Rows", "RowsAsked", "class_table", "column_named", "rows_to_choose"]

PartitionBy = Literal["element", "row"]


@dataclass(frozen=True, slots=True)
class RowsAsked:
    """What a caller says of the rows to choose from.

    Attributes:
        element_table: Which elements, where the dataset has several kinds.
        include_tables: Tables and features whose columns the choice sees.
        row_per: What a row stands for; None means the element table.
        via: Tables that lead from one to another (see `get_denormalized_as_dataframe`).
        ignore_unrelated_anchors: Leave out members that have nothing to do with the rows.
        partition_by: Whether ``element``s or ``row``s are put into parts.
        class_column: The column that tells the class of a row, as ``Table.Column``.
        columns: Whether the choice looks at columns at all.
    """

    element_table: str | None = None
    include_tables: Sequence[str] = ()
    row_per: str | None = None
    via: Sequence[str] = ()
    ignore_unrelated_anchors: bool = False
    partition_by: PartitionBy | None = None
    class_column: str | None = None
    columns: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to choose from.

    Attributes:
        element_table: The table whose rows go into the parts.
        total: How many elements the dataset has.
        frame: The rows, with columns ``Table.column``.
        rids: The element of each row.
    """

    element_table: str
    total: int
    frame: pd.DataFrame = field(repr=False)
    rids: list[str] = field(repr=False)


def class_table(column: str) -> str:
    """The table in ``Table.Column``.

    Raises:
        DerivaMLValidationError: The text is not of that form.
    """
    table, dot, name = check_text(column, "stratify_by_column").rpartition(".")
    if not dot or not table or not name:
        raise DerivaMLValidationError(
            f"{column!r} names no column: write 'Table.Column', as in 'Image.Subject', or the name "
            "of a feature and its column, as in 'Classification.Image_Class'."
        )
    return table


def rows_to_choose(source: Dataset, asked: RowsAsked) -> Rows:
    """The rows that the elements of a dataset, and of those inside it, are chosen by.

    Raises:
        DerivaMLValidationError: The dataset has no elements of the kind asked for, or of several
            kinds; a column is unknown; `partition_by` is missing where rows are not elements; or
            rows of one element tell different classes.
        DerivaMLDenormalizeError: The tables cannot be joined as asked.
        DerivaMLTableNotFound: A table or feature does not exist.

    Cost: two queries for each kind of elements; with columns, those of a wide table.
    """
    import pandas as pd

    session = source.datasets.session
    element, members = _elements(session, source.dataset_rid, asked.element_table)
    by = _partition_by(session, element, asked)
    if not (asked.columns or asked.include_tables or asked.row_per or asked.via):
        frame = pd.DataFrame({f"{element.name}.RID": members})
        return Rows(element.name, len(members), frame, members)
    wide = _wide(source, element.name, asked)
    rid = column_named(wide, f"{element.name}.RID")
    chosen = wide[wide[rid].isin(set(members))]
    if by == "element":
        chosen = _one_for_each(chosen, rid, _class_of(chosen, asked))
    elif asked.row_per is not None:
        chosen = chosen[chosen[column_named(wide, f"{asked.row_per}.RID")].notna()]
    frame = chosen.reset_index(drop=True)
    return Rows(element.name, len(members), frame, [str(r) for r in frame[rid]])


def _elements(session: Session, dataset: str, wanted: str | None) -> tuple[Table, list[str]]:
    """The kind of elements to work with, and their RIDs in order."""
    anchors = anchors_of_dataset(session, dataset)
    found = {table.name: (table, anchors.rids[key]) for key, table in anchors.tables.items()}
    if wanted is not None:
        if check_text(wanted, "element_table") not in found:
            raise DerivaMLValidationError(
                f"The dataset has no elements of {wanted!r}; it has elements of {sorted(found)}."
            )
        return found[wanted]
    if len(found) != 1:
        what = f"elements of {sorted(found)}" if found else "no elements"
        raise DerivaMLValidationError(
            f"The dataset has {what}; say which ones are meant with element_table=..."
        )
    return next(iter(found.values()))


def _partition_by(session: Session, element: Table, asked: RowsAsked) -> PartitionBy:
    if asked.partition_by not in (None, "element", "row"):
        raise DerivaMLValidationError(
            f"partition_by is 'element' or 'row', not {asked.partition_by!r}."
        )
    if asked.partition_by is not None:
        return asked.partition_by
    if asked.row_per is not None:
        try:
            same = session.table(asked.row_per).qualified == element.qualified
        except LookupError:  # a feature, or a mistake that the wide table will name
            same = False
        if not same:
            raise DerivaMLValidationError(
                f"With row_per={asked.row_per!r} an element of {element.name!r} may have many "
                "rows. Say with partition_by='element' that all of them go into one part, or with "
                "partition_by='row' that an element may be in several."
            )
    return "element"


def _wide(source: Dataset, element: str, asked: RowsAsked) -> pd.DataFrame:
    """The wide table; the class column has the name under which the caller knows its table."""
    named = [] if asked.class_column is None else [class_table(asked.class_column)]
    grain = asked.row_per or element
    tables = dict.fromkeys([*named, *asked.include_tables, element, grain])
    return source.get_denormalized_as_dataframe(
        list(tables),
        row_per=grain,
        via=list(asked.via) or None,
        ignore_unrelated_anchors=asked.ignore_unrelated_anchors,
    )


def column_named(frame: pd.DataFrame, name: str) -> str:
    """The column of a wide table that is meant.

    In ``Table:Feature.Column`` and ``schema:Table.Column`` the first part may be missing in the
    frame: it tells a table only where several have the name (``Table_Feature.Column`` and
    ``schema.Table.Column``). A schema that the frame names may be left out in `name`.

    Raises:
        DerivaMLValidationError: There is none, or there are several.
    """
    columns = [str(c) for c in frame.columns]
    found: list[str] = []
    for form in (name.replace(":", "."), name.replace(":", "_"), _bare(name)):
        table = form.rpartition(".")[0]
        if any(c.startswith(f"{table}.") or f".{table}." in c for c in columns):
            # Another table that only looks alike is not meant: it would have other values.
            found = [c for c in columns if c == form]
            found = found or [c for c in columns if c.endswith(f".{form}")]
            break
    if len(found) != 1:
        raise DerivaMLValidationError(
            f"There {'are several columns' if found else 'is no column'} {name!r}; there are "
            f"{some_of(found or columns)}."
        )
    return found[0]


def _bare(name: str) -> str:
    return name.rpartition(":")[2]


def _class_of(frame: pd.DataFrame, asked: RowsAsked) -> str | None:
    return None if asked.class_column is None else column_named(frame, asked.class_column)


def _one_for_each(frame: pd.DataFrame, rid: str, column: str | None) -> pd.DataFrame:
    """The first row of each element that tells its class, in the order of the elements."""
    if column is None:
        return frame.sort_values(rid, kind="stable").drop_duplicates(rid)
    told = frame[frame[column].notna()]
    classes: Any = told.groupby(rid)[column].nunique()
    if len(several := list(classes[classes > 1].index)):
        values = sorted(map(str, told.loc[told[rid] == several[0], column].unique()))
        raise DerivaMLValidationError(
            f"{len(several)} elements have different values of {column!r}, such as "
            f"{several[0]!r} with {some_of(values)}. Each element needs one: choose a column that "
            "tells one, or divide rows with partition_by='row'."
        )
    ordered = frame.assign(_untold=frame[column].isna()).sort_values(
        [rid, "_untold"], kind="stable"
    )
    return ordered.drop_duplicates(rid).drop(columns="_untold")
