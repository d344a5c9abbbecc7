"""The data-path language as values: what every read and every path-based write is made of.

One tree serves the URL parser, the URL printer, the Python builder and the compiler.
Literals are kept as text (already percent-decoded): the compiler converts them to the type
of the column they are compared with.

Source: ERMrest, "Data resources: URL grammar" and "path semantics".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Operator(Enum):
    """A comparison of a column with a literal; the value is its spelling in a URL."""

    EQ = "="
    LT = "::lt::"
    LEQ = "::leq::"
    GT = "::gt::"
    GEQ = "::geq::"
    REGEXP = "::regexp::"
    CIREGEXP = "::ciregexp::"
    TS = "::ts::"


class Outer(Enum):
    """The kind of an outer join."""

    LEFT = "left"
    RIGHT = "right"
    FULL = "full"


class Function(Enum):
    """An aggregate function."""

    MIN = "min"
    MAX = "max"
    SUM = "sum"
    AVG = "avg"
    CNT = "cnt"
    CNT_D = "cnt_d"
    ARRAY = "array"
    ARRAY_D = "array_d"


class RightsFunction(Enum):
    """A summary of the caller's rights on a row, and for `TCRS` on each of its columns."""

    TRS = "trs"
    TCRS = "tcrs"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, perhaps without its schema."""

    name: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnName:
    """``c``, ``q:c`` (`qualifier` is an alias or a table) or ``S:T:c``."""

    name: str
    qualifier: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Star:
    """Every column of the context (``*``) or of the instance called `alias` (``alias:*``)."""

    alias: str | None = None


# --- filters -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``any(a,b)``: at least one of the literals satisfies the operator."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """``all(a,b)``: each of the literals satisfies the operator."""

    values: tuple[str, ...]


Operand = str | AnyOf | AllOf


@dataclass(frozen=True, slots=True)
class Comparison:
    """``column OP operand``; the column may be `Star` for the text search operators."""

    column: ColumnName | Star
    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class IsNull:
    """``column::null::``."""

    column: ColumnName


@dataclass(frozen=True, slots=True)
class Not:
    """``!term``."""

    term: Filter


@dataclass(frozen=True, slots=True)
class And:
    """``a&b``; at least two terms, none of them an `And`."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """``a;b``; at least two terms, none of them an `Or`."""

    terms: tuple[Filter, ...]


Filter = Comparison | IsNull | Not | And | Or


# --- path elements -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Root:
    """The table instance that a path starts with."""

    table: TableName
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class TableLink:
    """A join to `table` over every foreign key between it and the context."""

    table: TableName
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointLink:
    """A join over the one foreign key that has `columns` as one of its sides."""

    columns: tuple[ColumnName, ...]
    outer: Outer | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class ExplicitLink:
    """A join that equates `left` with `right` pair by pair, with or without a foreign key."""

    left: tuple[ColumnName, ...]
    right: tuple[ColumnName, ...]
    outer: Outer | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Restrict:
    """A filter on the relation joined so far."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class Reset:
    """``$alias``: the context becomes an earlier instance again."""

    alias: str


Element = TableLink | EndpointLink | ExplicitLink | Restrict | Reset


@dataclass(frozen=True, slots=True)
class Path:
    """A root and the elements that follow it."""

    root: Root
    elements: tuple[Element, ...] = ()


# --- projections -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bin:
    """``bin(column;count;lower;upper)``: the histogram bucket of a value."""

    column: ColumnName
    count: str
    lower: str
    upper: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``function(column)``, ``function(*)`` or ``function(alias:*)``."""

    function: Function
    argument: ColumnName | Star


@dataclass(frozen=True, slots=True)
class Rights:
    """``trs(alias:RID)`` or ``tcrs(alias:RID)``."""

    function: RightsFunction
    column: ColumnName


Expression = ColumnName | Star | Bin | Aggregate | Rights


@dataclass(frozen=True, slots=True)
class Item:
    """One projected expression and the output name it was given, if any."""

    expression: Expression
    output: str | None = None


# --- queries -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SortKey:
    """An output column to sort by."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the result, in which order.

    `after` and `before` hold one literal for each sort key; ``None`` stands for NULL.
    """

    sort: tuple[SortKey, ...] = ()
    after: tuple[str | None, ...] | None = None
    before: tuple[str | None, ...] | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class EntityQuery:
    """The distinct rows of the context table."""

    path: Path
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class AttributeQuery:
    """One row of `items` for each row of the context table."""

    path: Path
    items: tuple[Item, ...]
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class AttributeGroupQuery:
    """One row for each combination of `keys` in the joined relation, with `values` over it."""

    path: Path
    keys: tuple[Item, ...]
    values: tuple[Item, ...] = ()
    window: Window = Window()


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    """One row over the whole joined relation."""

    path: Path
    values: tuple[Item, ...]
    limit: int | None = None


Query = EntityQuery | AttributeQuery | AttributeGroupQuery | AggregateQuery
