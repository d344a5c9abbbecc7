"""Records: values of a feature as objects, and how to choose between several of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from deriva_catalog.model.elements import Column, ColumnType
from deriva_ml.core.exceptions import DerivaMLValidationError

if TYPE_CHECKING:
    import pandas as pd

    from .definition import Feature

__all__ = ["FeatureRecord", "Selector", "record_class", "reduce_with_selector"]

Selector = Callable[[list["FeatureRecord"]], "FeatureRecord | None"]
"""Chooses one of the records about the same row, or none of them."""


_Record = TypeVar("_Record", bound="FeatureRecord")
_SHOWN = 10


class ListsWorkflowExecutions(Protocol):
    """A connection, a dataset or a bag: something that knows the executions of a workflow."""

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow, given by its RID or its type."""
        ...


class FeatureRecord(BaseModel):
    """One value of a feature about one row. Each feature has a class of its own.

    Attributes:
        Execution: RID of the execution that made the value; filled in when it is recorded.
        Feature_Name: Name of the feature.
        RCT: When the value came into the catalog.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    Execution: str | None = None
    Feature_Name: str
    RCT: str | None = None

    feature: ClassVar[Feature | None] = None

    # --- choosing --------------------------------------------------------------------

    @staticmethod
    def select_newest(records: list[FeatureRecord]) -> FeatureRecord | None:
        """The record that came into the catalog last; None when there are none."""
        return max(records, key=lambda r: r.RCT or "", default=None)

    select_latest = select_newest

    @staticmethod
    def select_first(records: list[FeatureRecord]) -> FeatureRecord | None:
        """The record that came into the catalog first; None when there are none."""
        return min(records, key=lambda r: r.RCT or "", default=None)

    @staticmethod
    def select_by_execution(execution_rid: str) -> Selector:
        """A selector of the newest record that one execution made."""

        def select(records: list[FeatureRecord]) -> FeatureRecord | None:
            return FeatureRecord.select_newest([r for r in records if r.Execution == execution_rid])

        return select

    @staticmethod
    def select_by_workflow(workflow: str, *, container: ListsWorkflowExecutions) -> Selector:
        """A selector of the newest record that an execution of one workflow made.

        Args:
            workflow: RID of a workflow, or a workflow type.
            container: The connection, dataset or bag that knows the workflow's executions.
        """
        executions = set(container.list_workflow_executions(workflow))

        def select(records: list[FeatureRecord]) -> FeatureRecord | None:
            return FeatureRecord.select_newest([r for r in records if r.Execution in executions])

        return select

    @classmethod
    def select_majority_vote(cls, column: str | None = None) -> Selector:
        """A selector of the newest record with the value that most records have.

        Args:
            column: The column that is voted on; None means the feature's only term column. Of
                values with equally many votes the one with the newest record wins.

        Raises:
            DerivaMLValidationError: No column is given where the feature has none or several, or
                the feature has no such column.
        """

        def select(records: list[FeatureRecord]) -> FeatureRecord | None:
            if not records:
                return None
            name = type(records[0])._voted_on(column)
            votes = Counter(_hashable(getattr(r, name)) for r in records)
            most = max(votes.values())
            winners = [r for r in records if votes[_hashable(getattr(r, name))] == most]
            return FeatureRecord.select_newest(winners)

        if cls.feature is not None:
            cls._voted_on(column)
        return select

    @classmethod
    def _voted_on(cls, column: str | None) -> str:
        if column is None:
            return cls._only_term_column()
        if column not in (known := list(cls.model_fields)):
            raise DerivaMLValidationError(
                f"{cls.__name__} has no column {column!r} to vote on; it has {known}."
            )
        return column

    @classmethod
    def _only_term_column(cls) -> str:
        names = [c.name for c in cls.term_columns()]
        if len(names) != 1:
            raise DerivaMLValidationError(
                f"{cls.__name__} has the term columns {names}: say which one to vote on, as in "
                "select_majority_vote('Diagnosis')."
            )
        return names[0]

    # --- many at once ----------------------------------------------------------------

    @classmethod
    def from_dataframe(cls, frame: pd.DataFrame) -> list[Self]:
        """A record for each row of a frame; a missing value of the frame is no value.

        Args:
            frame: Columns with the names of the record's fields; those that have a default may
                be left out.

        Raises:
            DerivaMLValidationError: A column is no field, or values do not fit; the message
                names the row and the field.
        """
        names = [str(c) for c in frame.columns]
        columns = [
            frame.iloc[:, at].astype(object).where(frame.iloc[:, at].notna(), None).tolist()
            for at in range(len(names))
        ]
        given = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        return read_records(cls, given)

    # --- columns ---------------------------------------------------------------------

    @classmethod
    def feature_columns(cls) -> tuple[Column, ...]:
        """All columns with values."""
        return cls.feature.feature_columns if cls.feature else ()

    @classmethod
    def asset_columns(cls) -> tuple[Column, ...]:
        """Columns that refer to a file."""
        return cls.feature.asset_columns if cls.feature else ()

    @classmethod
    def term_columns(cls) -> tuple[Column, ...]:
        """Columns that hold a term of a vocabulary."""
        return cls.feature.term_columns if cls.feature else ()

    @classmethod
    def value_columns(cls) -> tuple[Column, ...]:
        """Columns with values that are neither terms nor files."""
        return cls.feature.value_columns if cls.feature else ()

    def to_row(self) -> dict[str, Any]:
        """The record as a row of the feature's table, without what the catalog fills in."""
        return self.model_dump(mode="json", exclude={"RCT"})


def record_class(feature: Feature) -> type[FeatureRecord]:
    """The class of a feature's records, named ``<Target>Feature<Name>``."""
    fields: dict[str, Any] = {
        feature.target_column: (str | Path if feature.describes_files else str, ...),
        "Feature_Name": (str, feature.feature_name),
    }
    fields |= {name: (str, ...) for name in feature.qualifier_columns}
    for column in feature.feature_columns:
        kind: Any = str | Path if column.name in feature.file_columns else python_type(column.type)
        optional = column.nullok or column.default is not None
        fields[column.name] = (kind | None, column.default) if optional else (kind, ...)
    name = f"{feature.target_table.name}Feature{feature.feature_name}"
    made = create_model(name, __base__=FeatureRecord, __module__=__name__, **fields)
    made.feature = feature
    return made


_PYTHON: dict[str, Any] = {
    "boolean": bool,
    "int2": int,
    "int4": int,
    "int8": int,
    "serial2": int,
    "serial4": int,
    "serial8": int,
    "float4": float,
    "float8": float,
    "date": date,
    "timestamp": datetime,
    "timestamptz": datetime,
    "json": Any,
    "jsonb": Any,
}


_LISTS: dict[str, Any] = {name: GenericAlias(list, (kind,)) for name, kind in _PYTHON.items()}


def python_type(column_type: ColumnType) -> Any:
    """The type of a column's values in a record; text for everything that has none of its own."""
    if column_type.is_array:
        items = list[Any] if column_type.base is None else _LISTS.get(column_type.base.storage)
        return items or list[str]
    return _PYTHON.get(column_type.storage, str)


def read_records(made: type[_Record], rows: Sequence[Mapping[str, Any]]) -> list[_Record]:
    """The records that rows are; a row has fields of the class and nothing else.

    Raises:
        DerivaMLValidationError: A row does not fit the class; the message names the first ones.
    """
    try:
        return TypeAdapter(list[made]).validate_python(rows)  # type: ignore[valid-type]
    except ValidationError as error:
        found = error.errors(include_url=False)
        wrong = "; ".join(_complaint(e, len(rows)) for e in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DerivaMLValidationError(f"{made.__name__}: {wrong}{more}") from error


def _complaint(error: Any, rows: int) -> str:
    at, *field = error["loc"]
    where = ".".join(map(str, field)) or "row"
    return f"row {at}, {where}: {error['msg']}" if rows > 1 else f"{where}: {error['msg']}"


def reduce_with_selector(
    records: Iterable[FeatureRecord],
    target_col: str,
    selector: Selector,
    qualifier_cols: Sequence[str] = (),
) -> Iterator[FeatureRecord]:
    """The record that the selector chooses about each row (and qualifiers), in first-seen order.

    Raises:
        DerivaMLValidationError: The selector is no function, or returned no record.
    """
    if not callable(selector):
        raise DerivaMLValidationError(
            f"A selector is a function of records, such as FeatureRecord.select_newest, not "
            f"{selector!r}."
        )
    grouped: defaultdict[tuple[Hashable, ...], list[FeatureRecord]] = defaultdict(list)
    for record in records:
        grouped[tuple(getattr(record, c) for c in (target_col, *qualifier_cols))].append(record)
    for group in grouped.values():
        chosen: object = selector(group)
        if isinstance(chosen, FeatureRecord):
            yield chosen
        elif chosen is not None:
            raise DerivaMLValidationError(
                f"The selector returned {chosen!r}; it returns a record, or None for none."
            )


def _hashable(value: Any) -> Hashable:
    return repr(value) if isinstance(value, list | dict) else value
