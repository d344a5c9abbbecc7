"""Rows, tables and vocabularies: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..exceptions import translated
from ..provenance import unknown_provenance_execution, unknown_provenance_file

if TYPE_CHECKING:
    import pandas as pd

    from deriva_catalog.interface import Row
    from deriva_catalog.model.elements import Table

    from ..base import DerivaML
    from ..definitions import RID, ColumnDefinition, ForeignKeyDefinition, TableDefinition
    from ..rids import BatchRidResult, ResolveRidResult
    from ..vocabulary import VocabularyTermHandle


def resolve_rid(self: DerivaML, rid: RID) -> ResolveRidResult:
    """Where a row is (see `Rids.resolve`)."""
    return self.rids.resolve(rid)


def resolve_rids(
    self: DerivaML, rids: Iterable[RID], candidate_tables: Iterable[str | Table] | None = None
) -> dict[RID, BatchRidResult]:
    """Where each of many rows is (see `Rids.resolve_many`)."""
    return self.rids.resolve_many(rids, candidate_tables)


def retrieve_rid(self: DerivaML, rid: RID) -> Row:
    """A row as a dictionary (see `Rids.retrieve`)."""
    return self.rids.retrieve(rid)


def cite(self: DerivaML, entity: Any, current: bool = False) -> str:
    """A permanent link to a row (see `Rids.cite`)."""
    return self.rids.cite(entity, current)


def chaise_url(self: DerivaML, table: str | Table) -> str:
    """The address of the web page of a table or row (see `Rids.chaise_url`)."""
    return self.rids.chaise_url(table)


def create_table(
    self: DerivaML,
    table: TableDefinition | Mapping[str, Any],
    schema: str | None = None,
    update_navbar: bool = True,
) -> Table:
    """Create a table (see `Tables.create`)."""
    return self.tables.create(table, schema, update_navbar)


def create_vocabulary(
    self: DerivaML,
    vocab_name: str,
    comment: str = "",
    schema: str | None = None,
    update_navbar: bool = True,
) -> Table:
    """Create a vocabulary (see `Tables.create_vocabulary`)."""
    return self.tables.create_vocabulary(vocab_name, comment, schema, update_navbar)


def create_asset(
    self: DerivaML,
    asset_name: str,
    column_defs: Iterable[ColumnDefinition] | None = None,
    fkey_defs: Iterable[ForeignKeyDefinition] | None = None,
    referenced_tables: Iterable[str | Table] | None = None,
    comment: str = "",
    schema: str | None = None,
    update_navbar: bool = True,
) -> Table:
    """Create an asset table (see `Tables.create_asset`)."""
    return self.tables.create_asset(
        asset_name, column_defs, fkey_defs, referenced_tables, comment, schema, update_navbar
    )


def define_association(
    self: DerivaML,
    associates: Sequence[Any],
    metadata: Iterable[ColumnDefinition] | None = None,
    table_name: str | None = None,
    comment: str | None = None,
) -> dict[str, Any]:
    """The document of a table that links others (see `Tables.define_association`)."""
    return self.tables.define_association(associates, metadata, table_name, comment)


def get_table_as_dataframe(self: DerivaML, table: str | Table) -> pd.DataFrame:
    """All rows of a table as a frame."""
    return self.tables.frame(table)


def get_table_as_dict(self: DerivaML, table: str | Table) -> list[Row]:
    """All rows of a table as dictionaries."""
    return self.tables.rows(table)


def list_asset_tables(self: DerivaML) -> list[Table]:
    """The tables whose rows describe files."""
    return self.model.find_assets()


def add_term(
    self: DerivaML,
    table: str | Table,
    term_name: str,
    description: str = "",
    synonyms: Iterable[str] | None = None,
    exists_ok: bool = True,
) -> VocabularyTermHandle:
    """Add a term (see `Vocabularies.add_term`)."""
    return self.vocabularies.add_term(table, term_name, description, synonyms, exists_ok)


def lookup_term(self: DerivaML, table: str | Table, term_name: str) -> VocabularyTermHandle:
    """A term by name or synonym (see `Vocabularies.lookup_term`)."""
    return self.vocabularies.lookup_term(table, term_name)


def list_vocabulary_terms(self: DerivaML, table: str | Table) -> list[VocabularyTermHandle]:
    """Every term of a vocabulary."""
    return self.vocabularies.list_terms(table)


def delete_term(self: DerivaML, table: str | Table, term_name: str) -> None:
    """Remove a term that nothing refers to (see `Vocabularies.delete_term`)."""
    self.vocabularies.delete_term(table, term_name)


def user_list(self: DerivaML) -> list[dict[str, str]]:
    """The users that the catalog has seen, with `ID` and `Full_Name`."""
    return self.tables.users()


@translated()
def unknown_provenance_execution_rid(self: DerivaML) -> str:
    """RID of the execution that artifacts of unknown origin point at."""
    return unknown_provenance_execution(self.session)


@translated()
def unknown_provenance_file_rid(self: DerivaML) -> str:
    """RID of the file that executions without inputs point at."""
    return unknown_provenance_file(self.session)
