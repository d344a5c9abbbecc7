"""Tables of the user: defining plain tables, vocabularies and asset tables; reading them whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import TableName
from deriva_ml.schema.definition import (
    asset_associations,
    file_name_rows,
    with_user_links,
    without_upload,
)

from .arguments import check_text
from .chaise import refresh_menu
from .definitions import (
    AssetTableDef,
    AssociationTableDef,
    ColumnDefinition,
    ForeignKeyDefinition,
    MLVocab,
    TableDefinition,
    VocabularyTableDef,
)
from .exceptions import DerivaMLTableTypeError, DerivaMLValidationError, translated
from .query import entities
from .session import Session
from .vocabulary import Vocabularies

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tables"]

Document = dict[str, Any]


class Tables:
    """Defines and reads tables."""

    def __init__(self, session: Session, vocabularies: Vocabularies) -> None:
        self._session = session
        self._vocabularies = vocabularies

    # --- defining --------------------------------------------------------------------

    @translated()
    def create(
        self,
        table: TableDefinition | Mapping[str, Any] | Any,
        schema: str | None = None,
        update_navbar: bool = True,
    ) -> Table:
        """Create a table in a schema, or in the default one.

        Args:
            table: A definition with ``to_dict()``, or the table's document.
            schema: Where; None means the default schema.
            update_navbar: Bring the menu of the web pages up to date, if there is one.

        Raises:
            DerivaMLValidationError: The definition is not one.
            DerivaMLConfigurationError: It is not clear which schema is meant.
            DerivaMLDataError: There is such a table already, or it refers to nothing.
        """
        target = self._session.model.schema_for(schema)
        document = dict(table) if isinstance(table, Mapping) else _document(table)
        self._refuse_existing(target, document)
        with self._session.transaction():
            self._session.catalog.create_table(target, with_user_links(document))
            if update_navbar:
                refresh_menu(self._session)
        return self._session.table(f"{target}:{document['table_name']}")

    def _refuse_existing(self, schema: str, document: Document) -> None:
        name = document.get("table_name")
        if not isinstance(name, str) or not name.strip():
            raise DerivaMLValidationError(f"A table needs a name, not {name!r}.")
        if name in self._session.model.schemas[schema].tables:
            raise DerivaMLValidationError(
                f"Schema {schema!r} has a table {name!r} already; choose another name."
            )

    def create_vocabulary(
        self,
        vocab_name: str,
        comment: str = "",
        schema: str | None = None,
        update_navbar: bool = True,
    ) -> Table:
        """Create a vocabulary, without terms (see `create` for errors)."""
        check_text(vocab_name, "The name of a vocabulary")
        template = f"{self._session.project_name}:{{RID}}"
        definition = VocabularyTableDef(vocab_name, template, comment=comment)
        return self.create(definition, schema, update_navbar)

    @translated()
    def create_asset(
        self,
        asset_name: str,
        column_defs: Iterable[ColumnDefinition | Mapping[str, Any]] | None = None,
        fkey_defs: Iterable[ForeignKeyDefinition | Mapping[str, Any]] | None = None,
        referenced_tables: Iterable[str | Table] | None = None,
        comment: str = "",
        schema: str | None = None,
        update_navbar: bool = True,
    ) -> Table:
        """Create an asset table, its links to asset types and executions, and its asset type.

        Args:
            asset_name: Name of the table and of the asset type.
            column_defs: Columns for the metadata of files.
            fkey_defs: References from these columns.
            referenced_tables: Tables to refer to from a column of the same name.
            comment: What the files are.
            schema: Where; None means the default schema.
            update_navbar: Bring the menu of the web pages up to date, if there is one.

        Raises:
            DerivaMLTableNotFound: A table of `referenced_tables` does not exist.
            DerivaMLValidationError: There is such a table already.
        """
        columns: list[ColumnDefinition | Document] = [_document(c) for c in column_defs or ()]
        references: list[ForeignKeyDefinition | Document] = [_document(f) for f in fkey_defs or ()]
        for table in (self._session.table(t) for t in referenced_tables or ()):
            columns.append(ColumnDefinition(table.name, "text").to_dict())
            references.append(self._reference(asset_name, table))
        with self._session.transaction():
            made = self._asset_table(asset_name, columns, references, comment, schema)
            text = comment or f"File of table {asset_name}."
            self._vocabularies.ensure_terms(MLVocab.asset_type, [(asset_name, text)])
            if update_navbar:
                refresh_menu(self._session)
        return made

    @translated()
    def create_asset_table(
        self,
        asset_name: str,
        additional_columns: Iterable[ColumnDefinition | Mapping[str, Any]] = (),
        comment: str | None = None,
        schema: str | None = None,
        use_hatrac: bool = True,
        update_navbar: bool = True,
    ) -> Table:
        """Create an asset table and its links, but no asset type of its name.

        Args:
            asset_name: Name of the table.
            additional_columns: Columns for the metadata of files.
            comment: What the files are.
            schema: Where; None means the default schema.
            use_hatrac: Whether files are uploaded; otherwise they stay where their URLs say.
            update_navbar: Bring the menu of the web pages up to date, if there is one.

        Raises:
            DerivaMLValidationError: There is such a table already.
        """
        columns: list[ColumnDefinition | Document] = [_document(c) for c in additional_columns]
        with self._session.transaction():
            made = self._asset_table(
                asset_name, columns, [], comment or "", schema, upload=use_hatrac
            )
            if update_navbar:
                refresh_menu(self._session)
        return made

    def _asset_table(
        self,
        name: str,
        columns: list[ColumnDefinition | Document],
        references: list[ForeignKeyDefinition | Document],
        comment: str,
        schema: str | None,
        *,
        upload: bool = True,
    ) -> Table:
        """Create an asset table and its links, inside a transaction of the caller."""
        target = self._session.model.schema_for(schema)
        document = AssetTableDef(
            target,
            name,
            columns=columns,
            foreign_keys=references,
            comment=comment or None,
            annotations=file_name_rows(),
        ).to_dict()
        if not upload:
            without_upload(document)
        self._refuse_existing(target, document)
        links = asset_associations(target, name, self._session.ml_schema)
        for each in (document, *links):
            self._session.catalog.create_table(target, with_user_links(each))
        return self._session.table(f"{target}:{name}")

    @translated()
    def add_page(self, title: str, content: str) -> str:
        """Add a page to the catalog's own web pages; returns its RID.

        The table ``WWW:Page`` is made when it is missing.

        Args:
            title: Its title.
            content: Its text, in Markdown.

        Raises:
            DerivaMLValidationError: One of them is no text, or the title is empty.
        """
        check_text(content, "The content of a page")
        if not check_text(title, "The title of a page").strip():
            raise DerivaMLValidationError("A page needs a title.")
        with self._session.transaction():
            schemas = self._session.model.schemas
            if "WWW" not in schemas:
                self._session.catalog.create_schema("WWW")
            if "WWW" not in schemas or "Page" not in schemas["WWW"].tables:
                title_column = ColumnDefinition("Title", "text", nullok=False)
                text_column = ColumnDefinition("Content", "markdown")
                page = TableDefinition("Page", [title_column, text_column])
                self._session.catalog.create_table("WWW", with_user_links(_document(page)))
            row = {"Title": title, "Content": content}
            made = self._session.catalog.insert(TableName("Page", "WWW"), [row])
        return str(made[0]["RID"])

    def _reference(self, asset_name: str, table: Table) -> Document:
        column = "Name" if self._session.model.is_vocabulary(table) else "RID"
        name = f"{asset_name}_{table.name}_fkey"
        return ForeignKeyDefinition(
            (table.name,), table.schema, table.name, (column,), name
        ).to_dict()

    @translated()
    def define_association(
        self,
        associates: Sequence[Any],
        metadata: Iterable[ColumnDefinition | Mapping[str, Any]] | None = None,
        table_name: str | None = None,
        comment: str | None = None,
    ) -> Document:
        """The document of a table that links others; `create` makes it.

        Args:
            associates: Tables or their names, or pairs of a column name and one of these.
            metadata: Columns beside the links.
            table_name: Its name; None joins the names of the linked tables.
            comment: What the links mean.
        """
        ends = [self._associate(a) for a in associates]
        columns: list[ColumnDefinition | Document] = [_document(c) for c in metadata or ()]
        try:
            return AssociationTableDef(
                ends, table_name=table_name, metadata=columns, comment=comment
            ).to_dict()
        except ValidationError as error:
            raise DerivaMLValidationError(_first_message(error)) from error

    def _associate(self, entry: Any) -> Any:
        if isinstance(entry, tuple | list):
            name, table = entry
            return name, self._session.table(table)
        return self._session.table(entry)

    # --- reading ---------------------------------------------------------------------

    @translated()
    def rows(self, table: str | Table) -> list[Row]:
        """All rows of a table, in the order of their RIDs."""
        return self._session.fetch(entities(self._session.table(table), sort=("RID",)))

    @translated()
    def frame(self, table: str | Table) -> pd.DataFrame:
        """All rows of a table as a frame, typed by the model, in the order of their RIDs."""
        found = self._session.table(table)
        path = self._session.catalog.path[found.schema][found.name]
        return path.entities().sort("RID").dataframe()

    @translated()
    def users(self) -> list[dict[str, str]]:
        """The users that the catalog has seen, with `ID` and `Full_Name`."""
        query = "attribute/public:ERMrest_Client/ID,Full_Name@sort(ID)"
        return [dict(row) for row in self._session.fetch(query)]

    @translated()
    def require_asset(self, table: str | Table) -> Table:
        """The table, which must be an asset table.

        Raises:
            DerivaMLTableTypeError: It is another kind; the message names the asset tables.
        """
        found = self._session.table(table)
        if not self._session.model.is_asset(found):
            known = sorted(t.name for t in self._session.model.find_assets())
            raise DerivaMLTableTypeError(
                "asset table",
                found.name,
                f"Table {found.name!r} does not hold assets; asset tables are {known}.",
            )
        return found


def _document(definition: Any) -> Document:
    if isinstance(definition, Mapping):
        return dict(definition)
    to_dict = getattr(definition, "to_dict", None)
    if not callable(to_dict):
        raise DerivaMLValidationError(
            f"{definition!r} defines nothing: give a definition such as TableDefinition(...) or "
            "ColumnDefinition(...), or its document."
        )
    return dict(to_dict())


def _first_message(error: ValidationError) -> str:
    return "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
