"""How web pages show the catalog: flat methods of `DerivaML`.

Changes are kept here until `apply_annotations` writes them. An annotation is given as a document
or as a builder of `deriva_ml.model`; None removes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deriva_ml.model.annotation_builders import (
    TAG_COLUMN_DISPLAY,
    TAG_DISPLAY,
    TAG_TABLE_DISPLAY,
    TAG_VISIBLE_COLUMNS,
    TAG_VISIBLE_FOREIGN_KEYS,
)

from ..exceptions import translated

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table

    from ..base import DerivaML


def get_table_annotations(self: DerivaML, table: str | Table) -> dict[str, Any]:
    """The annotations of a table (see `Annotations.of_table`)."""
    return self.annotations.of_table(table)


def get_column_annotations(self: DerivaML, table: str | Table, column: str) -> dict[str, Any]:
    """The annotations of a column (see `Annotations.of_column`)."""
    return self.annotations.of_column(table, column)


def set_display_annotation(
    self: DerivaML, table: str | Table, annotation: Any, column_name: str | None = None
) -> None:
    """Set how a table or a column is named (`Display`)."""
    self.annotations.set(table, TAG_DISPLAY, annotation, column_name)


def set_visible_columns(self: DerivaML, table: str | Table, annotation: Any) -> None:
    """Set which columns are shown, by context (`VisibleColumns`)."""
    self.annotations.set(table, TAG_VISIBLE_COLUMNS, annotation)


def set_visible_foreign_keys(self: DerivaML, table: str | Table, annotation: Any) -> None:
    """Set which tables are shown that refer to a row, by context (`VisibleForeignKeys`)."""
    self.annotations.set(table, TAG_VISIBLE_FOREIGN_KEYS, annotation)


def set_table_display(self: DerivaML, table: str | Table, annotation: Any) -> None:
    """Set how rows are shown and named, by context (`TableDisplay`)."""
    self.annotations.set(table, TAG_TABLE_DISPLAY, annotation)


def set_column_display(self: DerivaML, table: str | Table, column: str, annotation: Any) -> None:
    """Set how values of a column are shown, by context (`ColumnDisplay`)."""
    self.annotations.set(table, TAG_COLUMN_DISPLAY, annotation, column)


def set_strict_preallocated_rid(self: DerivaML, table: str | Table, strict: bool = True) -> None:
    """Let files of an asset table be inserted only under RIDs that were leased before."""
    self.annotations.set_strict_preallocated_rid(table, strict)


def is_strict_preallocated_rid(self: DerivaML, table: str | Table) -> bool:
    """Whether files of an asset table are inserted only under RIDs that were leased before."""
    return self.annotations.is_strict_preallocated_rid(table)


def apply_annotations(self: DerivaML) -> int:
    """Write the changes of annotations, all of them or none; returns how many."""
    return self.annotations.apply()


def add_visible_column(
    self: DerivaML, table: str | Table, context: str, column: Any, position: int | None = None
) -> list[Any]:
    """Show one more column in a context (see `Annotations.add`)."""
    return self.annotations.add(table, TAG_VISIBLE_COLUMNS, context, column, position)


def remove_visible_column(
    self: DerivaML, table: str | Table, context: str, column: Any
) -> list[Any]:
    """Show a column, given as it is listed or by its place, no more (see `Annotations.remove`)."""
    return self.annotations.remove(table, TAG_VISIBLE_COLUMNS, context, column)


def reorder_visible_columns(
    self: DerivaML, table: str | Table, context: str, new_order: Sequence[Any]
) -> list[Any]:
    """Show columns in another order (see `Annotations.reorder`)."""
    return self.annotations.reorder(table, TAG_VISIBLE_COLUMNS, context, new_order)


def add_visible_foreign_key(
    self: DerivaML,
    table: str | Table,
    context: str,
    foreign_key: Any,
    position: int | None = None,
) -> list[Any]:
    """Show one more table that refers to a row (see `Annotations.add`)."""
    return self.annotations.add(table, TAG_VISIBLE_FOREIGN_KEYS, context, foreign_key, position)


def remove_visible_foreign_key(
    self: DerivaML, table: str | Table, context: str, foreign_key: Any
) -> list[Any]:
    """Show a table that refers to a row no more (see `Annotations.remove`)."""
    return self.annotations.remove(table, TAG_VISIBLE_FOREIGN_KEYS, context, foreign_key)


def reorder_visible_foreign_keys(
    self: DerivaML, table: str | Table, context: str, new_order: Sequence[Any]
) -> list[Any]:
    """Show tables that refer to a row in another order (see `Annotations.reorder`)."""
    return self.annotations.reorder(table, TAG_VISIBLE_FOREIGN_KEYS, context, new_order)


@translated()
def get_handlebars_template_variables(self: DerivaML, table: str | Table) -> dict[str, Any]:
    """What templates of a table may use: its columns, the rows it refers to, the catalog.

    Each column has a `template` for its value as it is shown and a `raw` one; each foreign key
    one for the title of the row and for its address.
    """
    found = self.session.table(table)
    columns = [
        {
            "name": c.name,
            "type": c.type.typename,
            "template": f"{{{{{{{c.name}}}}}}}",
            "raw": f"{{{{{{_{c.name}}}}}}}",
        }
        for c in found.columns
    ]
    foreign_keys = [
        {
            "constraint": [found.schema, f.name],
            "columns": list(f.columns),
            "referenced_table": f"{f.referenced_schema}:{f.referenced_table}",
            "row_name": f"{{{{{{$fkeys.{found.schema}.{f.name}.rowName}}}}}}",
            "uri": f"{{{{{{$fkeys.{found.schema}.{f.name}.uri.detailed}}}}}}",
        }
        for f in found.foreign_keys
    ]
    special = ["{{{$catalog.id}}}", "{{{$catalog.snapshot}}}", "{{{$moment}}}", "{{{$self.uri}}}"]
    return {
        "schema": found.schema,
        "table": found.name,
        "columns": columns,
        "foreign_keys": foreign_keys,
        "special_variables": special,
    }


def apply_catalog_annotations(
    self: DerivaML,
    navbar_brand_text: str = "ML Data Browser",
    head_title: str = "Catalog ML",
) -> None:
    """Write titles and menu of the web pages (see `deriva_ml.core.chaise`).

    Args:
        navbar_brand_text: The title in the bar above every page.
        head_title: The title of the browser's window.
    """
    from ..chaise import apply_catalog_annotations as apply

    apply(self.session, navbar_brand_text, head_title)
