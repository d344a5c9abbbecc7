"""Elements of a dataset as a frame, with the columns of their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_ml.core.exceptions import DerivaMLValidationError, some_of
from deriva_ml.core.query import any_of, attributes

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.core.base import DerivaML
    from deriva_ml.feature.definition import Feature

__all__ = ["element_frame", "find_element", "stratify_column"]


def find_element(members: Mapping[str, list[Row]], wanted: str | None) -> tuple[str, list[Row]]:
    """The kind of elements to work with, and their rows.

    Raises:
        DerivaMLValidationError: The dataset has no elements of the kind wanted, or of no kind,
            or of several and none is wanted.
    """
    filled = {name: rows for name, rows in members.items() if rows and name != "Dataset"}
    if wanted is not None:
        if wanted not in filled:
            raise DerivaMLValidationError(
                f"The dataset has no elements of {wanted!r}; it has elements of {sorted(filled)}."
            )
        return wanted, filled[wanted]
    if len(filled) != 1:
        found = f"elements of {sorted(filled)}" if filled else "no elements"
        raise DerivaMLValidationError(
            f"The dataset has {found}; say which ones are meant with element_table=..."
        )
    return next(iter(filled.items()))


def stratify_column(name: str) -> str:
    """The name of a frame's column, which is ``Table.Column``.

    Raises:
        DerivaMLValidationError: It is not of that form.
    """
    table, dot, column = name.rpartition(".")
    if not dot or not table or not column:
        raise DerivaMLValidationError(
            f"{name!r} names no column: write 'Table.Column', as in 'Image.Subject', or the name "
            "of a feature and its column, as in 'Classification.Image_Class'."
        )
    return name


def element_frame(
    ml: DerivaML, element: str, rows: Sequence[Row], tables: Sequence[str]
) -> pd.DataFrame:
    """One row for each element, columns ``<Element>.<column>`` and ``<table>.<column>``.

    Args:
        ml: The connection.
        element: The element table.
        rows: The elements, which decide the order.
        tables: Features of the element table, by feature name, ``<Element>_<feature>`` or the
            name of their table; columns are named as the table is given here.

    Raises:
        DerivaMLValidationError: One of `tables` is neither the element table nor one of its
            features, or an element has several different values of one feature.
    """
    import pandas as pd

    names = [c.name for c in ml.model.name_to_table(element).columns]
    data: dict[str, list[Any]] = {f"{element}.{n}": [r[n] for r in rows] for n in names}
    rids = [row["RID"] for row in rows]
    for table in tables:
        if table != element:
            feature = _feature(ml, element, table)
            data |= _feature_columns(ml, feature, table, rids)
    return pd.DataFrame(data)


def _feature(ml: DerivaML, element: str, name: str) -> Feature:
    features = ml.find_features(element)
    for feature in features:
        names = (feature.feature_name, str(feature), feature.feature_table.name)
        if name in (*names, f"{element}_{feature.feature_name}"):
            return feature
    raise DerivaMLValidationError(
        f"{name!r} is neither the table of the elements ({element!r}) nor one of its features "
        f"({some_of([f.feature_name for f in features]) or 'it has none'}). Columns of other "
        "tables cannot be used here; give a selection_fn, or make the value a feature."
    )


def _feature_columns(
    ml: DerivaML, feature: Feature, name: str, rids: Sequence[str]
) -> dict[str, list[Any]]:
    columns = [c.name for c in feature.feature_columns]
    target = feature.target_column
    query = attributes(feature.feature_table, (target, *columns), any_of(target, rids))
    values: dict[str, tuple[Any, ...]] = {}
    for row in ml.session.fetch(query):
        value = tuple(row[c] for c in columns)
        if values.setdefault(row[target], value) != value:
            raise DerivaMLValidationError(
                f"{row[target]!r} has different values of the feature {str(feature)!r}: "
                f"{values[row[target]]!r} and {value!r}. Each element needs one."
            )
    empty = (None,) * len(columns)
    return {
        f"{name}.{column}": [values.get(rid, empty)[i] for rid in rids]
        for i, column in enumerate(columns)
    }
