"""Annotations that tell web pages how to show tables, as values with names.

Each builder turns into the JSON document of its annotation with ``to_dict()``; what is not given
is left out. They are taken wherever `DerivaML` takes an annotation::

    columns = VisibleColumns().compact(["RID", "Name"]).detailed(["RID", "Name", "Description"])
    ml.set_visible_columns("Subject", columns)
    ml.apply_annotations()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from deriva_ml.core.exceptions import DerivaMLValidationError

__all__ = [
    "CONTEXT_ALL",
    "CONTEXT_COMPACT",
    "CONTEXT_COMPACT_BRIEF",
    "CONTEXT_COMPACT_BRIEF_INLINE",
    "CONTEXT_COMPACT_SELECT",
    "CONTEXT_DEFAULT",
    "CONTEXT_DETAILED",
    "CONTEXT_ENTRY",
    "CONTEXT_ENTRY_CREATE",
    "CONTEXT_ENTRY_EDIT",
    "CONTEXT_EXPORT",
    "CONTEXT_FILTER",
    "CONTEXT_ROW_NAME",
    "TAG_CHAISE_CONFIG",
    "TAG_COLUMN_DISPLAY",
    "TAG_DISPLAY",
    "TAG_TABLE_DISPLAY",
    "TAG_VISIBLE_COLUMNS",
    "TAG_VISIBLE_FOREIGN_KEYS",
    "Aggregate",
    "ArrayUxMode",
    "ColumnDisplay",
    "ColumnDisplayOptions",
    "Display",
    "Facet",
    "FacetList",
    "FacetRange",
    "FacetUxMode",
    "InboundFK",
    "NameStyle",
    "OutboundFK",
    "PreFormat",
    "PseudoColumn",
    "PseudoColumnDisplay",
    "SortKey",
    "TableDisplay",
    "TableDisplayOptions",
    "TemplateEngine",
    "VisibleColumns",
    "VisibleForeignKeys",
    "document_of",
    "fk_constraint",
]

TAG_DISPLAY = "tag:misd.isi.edu,2015:display"
TAG_VISIBLE_COLUMNS = "tag:isrd.isi.edu,2016:visible-columns"
TAG_VISIBLE_FOREIGN_KEYS = "tag:isrd.isi.edu,2016:visible-foreign-keys"
TAG_TABLE_DISPLAY = "tag:isrd.isi.edu,2016:table-display"
TAG_COLUMN_DISPLAY = "tag:isrd.isi.edu,2016:column-display"
TAG_CHAISE_CONFIG = "tag:isrd.isi.edu,2019:chaise-config"

CONTEXT_DEFAULT = "*"
CONTEXT_ALL = CONTEXT_DEFAULT
CONTEXT_COMPACT = "compact"
CONTEXT_COMPACT_BRIEF = "compact/brief"
CONTEXT_COMPACT_BRIEF_INLINE = "compact/brief/inline"
CONTEXT_COMPACT_SELECT = "compact/select"
CONTEXT_DETAILED = "detailed"
CONTEXT_ENTRY = "entry"
CONTEXT_ENTRY_CREATE = "entry/create"
CONTEXT_ENTRY_EDIT = "entry/edit"
CONTEXT_EXPORT = "export"
CONTEXT_FILTER = "filter"
CONTEXT_ROW_NAME = "row_name"


class TemplateEngine(StrEnum):
    """The language of templates."""

    HANDLEBARS = "handlebars"
    MUSTACHE = "mustache"


class Aggregate(StrEnum):
    """What becomes of several values of a column."""

    MIN = "min"
    MAX = "max"
    CNT = "cnt"
    CNT_D = "cnt_d"
    ARRAY = "array"
    ARRAY_D = "array_d"


class ArrayUxMode(StrEnum):
    """How a list of values is shown."""

    RAW = "raw"
    CSV = "csv"
    OLIST = "olist"
    ULIST = "ulist"


class FacetUxMode(StrEnum):
    """How values of a facet are chosen."""

    CHOICES = "choices"
    RANGES = "ranges"
    CHECK_PRESENCE = "check_presence"


def document_of(value: Any) -> Any:
    """The JSON form of a builder, or of anything that holds builders."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(name): document_of(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [document_of(v) for v in value]
    return str(value) if isinstance(value, StrEnum) else value


def fk_constraint(schema: str, constraint: str) -> list[str]:
    """A foreign key by the schema and the name of its constraint."""
    return [schema, constraint]


class _Document:
    """A document whose members are the fields that are given."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        given = ((f.name, getattr(self, f.name)) for f in fields(self))  # type: ignore[arg-type]
        return {name.rstrip("_"): document_of(v) for name, v in given if v is not None}


@dataclass(frozen=True, slots=True)
class NameStyle(_Document):
    """How names become titles: underscores as spaces, words in title case, markdown."""

    underline_space: bool | None = None
    title_case: bool | None = None
    markdown: bool | None = None


@dataclass(frozen=True, slots=True)
class Display(_Document):
    """How a schema, table or column is named.

    Attributes:
        name: Its title.
        markdown_name: Its title in Markdown; not together with `name`.
        name_style: How titles are made of names.
        comment: What it is, for tooltips; False shows none. Also by context.
        show_null: How a missing value is shown, by context.
        show_foreign_key_link: Whether values are links, by context.
    """

    name: str | None = None
    markdown_name: str | None = None
    name_style: NameStyle | None = None
    comment: str | bool | Mapping[str, Any] | None = None
    show_null: Mapping[str, Any] | None = None
    show_foreign_key_link: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.name is not None and self.markdown_name is not None:
            raise DerivaMLValidationError("Give name or markdown_name, not both.")


@dataclass(frozen=True, slots=True)
class SortKey(_Document):
    """A column to sort by."""

    column: str
    descending: bool | None = None


@dataclass(frozen=True, slots=True)
class InboundFK:
    """A step along a foreign key that refers to the table reached so far."""

    schema: str
    constraint: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {"inbound": fk_constraint(self.schema, self.constraint)}


@dataclass(frozen=True, slots=True)
class OutboundFK:
    """A step along a foreign key of the table reached so far."""

    schema: str
    constraint: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {"outbound": fk_constraint(self.schema, self.constraint)}


@dataclass(frozen=True, slots=True)
class PseudoColumnDisplay(_Document):
    """How values of a pseudo-column are shown."""

    markdown_pattern: str | None = None
    template_engine: TemplateEngine | None = None
    wait_for: list[str] | None = None
    show_foreign_key_link: bool | None = None
    array_ux_mode: ArrayUxMode | None = None
    column_order: list[SortKey] | bool | None = None


@dataclass(frozen=True, slots=True)
class PseudoColumn(_Document):
    """A value to show that is not simply a column of the table.

    Attributes:
        source: A column, or steps (`InboundFK`, `OutboundFK`) and then a column.
        sourcekey: A source that the table defines by name, in the place of `source`.
        markdown_name: Its title.
        comment: What it is; False shows none.
        entity: Whether it stands for rows, and not for values.
        aggregate: What becomes of several values.
        self_link: Whether it is a link to the row.
        display: How values are shown.
        array_options: How lists are sorted and cut.
    """

    source: str | list[Any] | None = None
    sourcekey: str | None = None
    markdown_name: str | None = None
    comment: str | bool | None = None
    entity: bool | None = None
    aggregate: Aggregate | None = None
    self_link: bool | None = None
    display: PseudoColumnDisplay | None = None
    array_options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.source is not None and self.sourcekey is not None:
            raise DerivaMLValidationError("Give source or sourcekey, not both.")


@dataclass(frozen=True, slots=True)
class FacetRange(_Document):
    """A range of values of a facet."""

    min: Any = None
    max: Any = None
    min_exclusive: bool | None = None
    max_exclusive: bool | None = None


@dataclass(frozen=True, slots=True)
class Facet(_Document):
    """One filter beside a list of rows.

    Attributes:
        source: A column, or steps and then a column.
        sourcekey: A source that the table defines by name, in the place of `source`.
        markdown_name: Its title.
        comment: What it filters.
        entity: Whether rows are chosen, and not values.
        open: Whether it is unfolded.
        ux_mode: How values are chosen.
        bar_plot: Whether a histogram is shown, or of how many bars.
        choices: Values that are chosen at first.
        ranges: Ranges that are chosen at first.
        not_null: Whether rows without a value are left out at first.
        hide_null_choice: Whether "no value" cannot be chosen.
        hide_not_null_choice: Whether "any value" cannot be chosen.
        n_bins: How many bars the histogram has.
    """

    source: str | list[Any] | None = None
    sourcekey: str | None = None
    markdown_name: str | None = None
    comment: str | None = None
    entity: bool | None = None
    open: bool | None = None
    ux_mode: FacetUxMode | None = None
    bar_plot: bool | Mapping[str, Any] | None = None
    choices: list[Any] | None = None
    ranges: list[FacetRange] | None = None
    not_null: bool | None = None
    hide_null_choice: bool | None = None
    hide_not_null_choice: bool | None = None
    n_bins: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        made = _Document.to_dict(self)
        bins = made.pop("n_bins", None)
        if bins is not None:
            made["barPlot"] = {"nBins": bins}
        plot = made.pop("bar_plot", None)
        if plot is not None and bins is None:
            made["barPlot"] = plot
        return made


@dataclass(frozen=True, slots=True)
class FacetList:
    """The filters beside a list of rows, in their order."""

    facets: tuple[Facet, ...] = ()

    def add(self, facet: Facet) -> FacetList:
        """These and one more."""
        return FacetList((*self.facets, facet))

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {"and": [document_of(f) for f in self.facets]}


@dataclass(frozen=True, slots=True)
class PreFormat(_Document):
    """How a number or a time is written: a format of C's ``printf``, words for true and false."""

    format: str | None = None
    bool_true_value: str | None = None
    bool_false_value: str | None = None


# --- documents by context ------------------------------------------------------------


@dataclass(slots=True)
class _ByContext:
    """A document with a part for each context; methods add parts and return the whole."""

    contexts: dict[str, Any] = field(default_factory=dict)

    def set_context(self, context: str, value: Any) -> Self:
        """Set the part for a context; a text means the part of another context."""
        self.contexts[context] = value
        return self

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        made: dict[str, Any] = document_of(self.contexts)
        return made


class _Listing(_ByContext):
    """Lists by context."""

    __slots__ = ()

    def default(self, value: Iterable[Any] | str) -> Self:
        """The list where no other applies."""
        return self._listed(CONTEXT_DEFAULT, value)

    def compact(self, value: Iterable[Any] | str) -> Self:
        """The list where many rows are shown."""
        return self._listed(CONTEXT_COMPACT, value)

    def detailed(self, value: Iterable[Any] | str) -> Self:
        """The list where one row is shown."""
        return self._listed(CONTEXT_DETAILED, value)

    def entry(self, value: Iterable[Any] | str) -> Self:
        """The list where rows are entered and changed."""
        return self._listed(CONTEXT_ENTRY, value)

    def entry_create(self, value: Iterable[Any] | str) -> Self:
        """The list where rows are entered."""
        return self._listed(CONTEXT_ENTRY_CREATE, value)

    def entry_edit(self, value: Iterable[Any] | str) -> Self:
        """The list where rows are changed."""
        return self._listed(CONTEXT_ENTRY_EDIT, value)

    def export(self, value: Iterable[Any] | str) -> Self:
        """The list where rows are exported."""
        return self._listed(CONTEXT_EXPORT, value)

    def _listed(self, context: str, value: Iterable[Any] | str) -> Self:
        return self.set_context(context, value if isinstance(value, str) else list(value))


class VisibleColumns(_Listing):
    """Which columns are shown: names, foreign keys (`fk_constraint`) and `PseudoColumn`s."""

    __slots__ = ()

    def filter(self, facets: FacetList | Iterable[Facet]) -> VisibleColumns:
        """The filters beside a list of rows."""
        listed = facets if isinstance(facets, FacetList) else FacetList(tuple(facets))
        return self.set_context(CONTEXT_FILTER, listed)


class VisibleForeignKeys(_Listing):
    """Which tables that refer to a row are shown with it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TableDisplayOptions(_Document):
    """How the rows of a table are shown."""

    row_order: list[SortKey] | None = None
    page_size: int | None = None
    collapse_toc_panel: bool | None = None
    hide_column_headers: bool | None = None
    page_markdown_pattern: str | None = None
    row_markdown_pattern: str | None = None
    separator_markdown: str | None = None
    prefix_markdown: str | None = None
    suffix_markdown: str | None = None
    template_engine: TemplateEngine | None = None


class TableDisplay(_ByContext):
    """How the rows of a table are shown and named, by context."""

    __slots__ = ()

    def row_name(
        self, row_markdown_pattern: str, template_engine: TemplateEngine | None = None
    ) -> TableDisplay:
        """What a row is called."""
        options = TableDisplayOptions(
            row_markdown_pattern=row_markdown_pattern, template_engine=template_engine
        )
        return self.set_context(CONTEXT_ROW_NAME, options)

    def compact(self, options: TableDisplayOptions) -> TableDisplay:
        """How many rows are shown."""
        return self.set_context(CONTEXT_COMPACT, options)

    def detailed(self, options: TableDisplayOptions) -> TableDisplay:
        """How one row is shown."""
        return self.set_context(CONTEXT_DETAILED, options)

    def default(self, options: TableDisplayOptions) -> TableDisplay:
        """How rows are shown where nothing else applies."""
        return self.set_context(CONTEXT_DEFAULT, options)


@dataclass(frozen=True, slots=True)
class ColumnDisplayOptions(_Document):
    """How the values of a column are shown."""

    pre_format: PreFormat | None = None
    markdown_pattern: str | None = None
    template_engine: TemplateEngine | None = None
    column_order: list[SortKey] | bool | None = None


class ColumnDisplay(_ByContext):
    """How the values of a column are shown, by context."""

    __slots__ = ()

    def default(self, options: ColumnDisplayOptions) -> ColumnDisplay:
        """How values are shown where nothing else applies."""
        return self.set_context(CONTEXT_DEFAULT, options)

    def compact(self, options: ColumnDisplayOptions) -> ColumnDisplay:
        """How values are shown where many rows are."""
        return self.set_context(CONTEXT_COMPACT, options)

    def detailed(self, options: ColumnDisplayOptions) -> ColumnDisplay:
        """How values are shown where one row is."""
        return self.set_context(CONTEXT_DETAILED, options)
