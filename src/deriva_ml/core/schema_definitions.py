"""Definitions of schemas, tables, columns, keys and foreign keys, as a person writes them.

Each definition checks its values when it is made and gives the catalog's JSON document with
``to_dict()``. Fields may be given by position in the order shown. The names of earlier releases
(``column_defs``, ``colnames``, ``pk_tname`` and so on) are accepted as keywords, and a plain
dictionary may stand wherever a definition is expected.

Source: ERMrest, "Model documents".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from deriva_catalog.model import definitions
from deriva_catalog.model.names import shorten

from .enums import BuiltinTypes
from .exceptions import translated

__all__ = [
    "AssetTableDef",
    "AssociationTableDef",
    "ColumnDef",
    "ColumnDefinition",
    "ForeignKeyDef",
    "ForeignKeyDefinition",
    "KeyDef",
    "KeyDefinition",
    "SchemaDef",
    "TableDef",
    "TableDefinition",
    "VocabularyTableDef",
]

Document = dict[str, Any]

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class _Definition:
    """What all definitions share: older field names, and `to_dict`."""

    renamed: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, given: Any) -> Any:
        if not isinstance(given, ArgsKwargs) or not given.kwargs:
            return given
        fields = {cls.renamed.get(name, name): value for name, value in given.kwargs.items()}
        return ArgsKwargs(given.args, fields)

    def to_dict(self) -> Document:
        """Return the catalog's JSON document of this definition."""
        raise NotImplementedError


def _document(definition: Any) -> Document:
    """Return the document of a definition or of a dictionary that already is one."""
    return dict(definition) if isinstance(definition, Mapping) else dict(definition.to_dict())


def _last_name(value: Any) -> Any:
    """Return the name in ``[[schema, name]]``, the older form of a constraint name."""
    if isinstance(value, str) or value is None:
        return value
    pairs = list(value)
    return pairs[0][-1] if pairs else None


@dataclass(config=_CONFIG)
class ColumnDef(_Definition):
    """A column: its name, type, whether it may be empty, its default and its comment."""

    renamed: ClassVar[Mapping[str, str]] = {"type_": "type"}

    name: str
    type: BuiltinTypes | str
    nullok: bool = True
    default: Any = None
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] = Field(default_factory=dict)
    acl_bindings: dict[str, Any] = Field(default_factory=dict)
    markdown_name: str | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _typename(cls, value: Any) -> Any:
        return value.get("typename") if isinstance(value, Mapping) else value

    def to_dict(self) -> Document:
        """Return the column document."""
        annotations = dict(self.annotations)
        if self.markdown_name:
            display = {"markdown_name": self.markdown_name}
            annotations.setdefault("tag:misd.isi.edu,2015:display", display)
        document = definitions.column_document(
            self.name,
            str(self.type),
            nullok=self.nullok,
            default=self.default,
            comment=self.comment,
            annotations=annotations,
        )
        return document | {"acls": self.acls, "acl_bindings": self.acl_bindings}


@dataclass(config=_CONFIG)
class KeyDef(_Definition):
    """A key: no two rows have the same values in `columns`."""

    renamed: ClassVar[Mapping[str, str]] = {
        "colnames": "columns",
        "constraint_names": "name",
        "constraint_name": "name",
    }

    columns: tuple[str, ...]
    name: str | None = None
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)

    _one_name = field_validator("name", mode="before")(_last_name)

    @field_validator("columns", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    def to_dict(self) -> Document:
        """Return the key document."""
        return definitions.key_document(
            self.columns, name=self.name, comment=self.comment, annotations=self.annotations
        )


@dataclass(config=_CONFIG)
class ForeignKeyDef(_Definition):
    """A reference from `columns` to `referenced_columns`; position pairs them."""

    renamed: ClassVar[Mapping[str, str]] = {
        "colnames": "columns",
        "fk_colnames": "columns",
        "pk_sname": "referenced_schema",
        "pk_tname": "referenced_table",
        "pk_colnames": "referenced_columns",
        "constraint_names": "name",
        "constraint_name": "name",
    }

    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...] = ("RID",)
    name: str | None = None
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] | None = None
    acl_bindings: dict[str, Any] = Field(default_factory=dict)

    _one_name = field_validator("name", mode="before")(_last_name)

    @field_validator("columns", "referenced_columns", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _paired(self) -> ForeignKeyDef:
        if len(self.columns) != len(self.referenced_columns):
            msg = (
                f"a foreign key pairs its columns with those it refers to, but {self.columns!r} "
                f"and {self.referenced_columns!r} differ in number."
            )
            raise ValueError(msg)
        return self

    def to_dict(self) -> Document:
        """Return the foreign key document."""
        document = definitions.foreign_key_document(
            self.columns,
            self.referenced_schema,
            self.referenced_table,
            self.referenced_columns,
            name=self.name,
            on_delete=self.on_delete,
            on_update=self.on_update,
            comment=self.comment,
        )
        document |= {"annotations": self.annotations, "acl_bindings": self.acl_bindings}
        if self.acls is not None:
            document["acls"] = self.acls
        return document


def _documents(parts: Iterable[Any]) -> list[Document]:
    """Return the documents of definitions."""
    return [_document(part) for part in parts]


@dataclass(config=_CONFIG)
class TableDef(_Definition):
    """A table; the system columns and the key on RID are added to what is given."""

    renamed: ClassVar[Mapping[str, str]] = {
        "column_defs": "columns",
        "key_defs": "keys",
        "fkey_defs": "foreign_keys",
        "table_name": "name",
    }

    name: str
    columns: list[ColumnDef | Document] = Field(default_factory=list)
    keys: list[KeyDef | Document] = Field(default_factory=list)
    foreign_keys: list[ForeignKeyDef | Document] = Field(default_factory=list)
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] = Field(default_factory=dict)
    acl_bindings: dict[str, Any] = Field(default_factory=dict)

    def to_dict(self) -> Document:
        """Return the table document."""
        document = definitions.table_document(
            self.name,
            _documents(self.columns),
            keys=_documents(self.keys),
            foreign_keys=_documents(self.foreign_keys),
            comment=self.comment,
            annotations=self.annotations,
        )
        return document | {"acls": self.acls, "acl_bindings": self.acl_bindings}


@dataclass(config=_CONFIG)
class VocabularyTableDef(_Definition):
    """A vocabulary: `Name`, `Description`, `Synonyms` and the identifiers `ID` and `URI`.

    `curie_template` makes the short identifier of a term, such as ``my-project:{RID}``.
    """

    renamed: ClassVar[Mapping[str, str]] = {"column_defs": "columns", "vocab_name": "name"}

    name: str
    curie_template: str
    columns: list[ColumnDef | Document] = Field(default_factory=list)
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] = Field(default_factory=dict)
    acl_bindings: dict[str, Any] = Field(default_factory=dict)
    uri_template: str = "/id/{RID}"

    def to_dict(self) -> Document:
        """Return the table document, with a key on each of `ID`, `URI` and `Name`."""
        with translated():
            document = definitions.vocabulary_document(
                self.name,
                self.curie_template,
                uri_template=self.uri_template,
                columns=_documents(self.columns),
                comment=self.comment,
                annotations=self.annotations,
            )
        return document | {"acls": self.acls, "acl_bindings": self.acl_bindings}


@dataclass(config=_CONFIG)
class AssetTableDef(_Definition):
    """An asset table: each row describes one file by URL, name, length in bytes and MD5."""

    renamed: ClassVar[Mapping[str, str]] = {
        "column_defs": "columns",
        "fkey_defs": "foreign_keys",
        "asset_name": "name",
    }

    schema_name: str
    name: str
    columns: list[ColumnDef | Document] = Field(default_factory=list)
    foreign_keys: list[ForeignKeyDef | Document] = Field(default_factory=list)
    hatrac_template: str | None = None
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] = Field(default_factory=dict)
    acl_bindings: dict[str, Any] = Field(default_factory=dict)
    keys: list[KeyDef | Document] = Field(default_factory=list)

    def to_dict(self) -> Document:
        """Return the table document; the `URL` column says how files are stored."""
        template = self.hatrac_template or (
            "/hatrac/{{$catalog.id}}/" + f"{self.schema_name}/{self.name}/"
            "{{{MD5}}}.{{#encode}}{{{Filename}}}{{/encode}}"
        )
        document = definitions.asset_document(
            self.name,
            columns=_documents(self.columns),
            foreign_keys=_documents(self.foreign_keys),
            url_pattern=template,
            comment=self.comment,
            annotations=self.annotations,
        )
        document["keys"] += _documents(self.keys)
        return document | {"acls": self.acls, "acl_bindings": self.acl_bindings}


def _associate(entry: Any) -> tuple[str, str, str, str]:
    """Return (base name, schema, table, referenced column) of one entry of `associates`."""
    if isinstance(entry, tuple | list) and len(entry) == 2:
        base, target = entry
        return (str(base), *_associate(target)[1:])
    if isinstance(entry, str):
        parts = entry.split(":")
        if len(parts) not in (2, 3) or not all(parts):
            msg = f"{entry!r} does not name a table: write 'schema:table' or 'schema:table:column'."
            raise ValueError(msg)
        schema, table = parts[:2]
        return table, schema, table, parts[2] if len(parts) == 3 else "RID"
    schema, table = str(getattr(entry.schema, "name", entry.schema)), str(entry.name)
    names = {str(getattr(c, "name", c)).lower() for c in entry.columns}
    vocabulary = {"name", "uri", "synonyms", "description", "id"} <= names
    return table, schema, table, "Name" if vocabulary else "RID"


@dataclass(config=_CONFIG)
class AssociationTableDef(_Definition):
    """An association: each row links one row of each associated table.

    `associates` holds tables, ``"schema:table"`` or ``"schema:table:column"`` texts, or pairs of
    a column name and one of these. A reference goes to `Name` of a vocabulary and to `RID` of
    anything else. Rows disappear with the rows that they link. `metadata` holds columns beside
    the links.
    """

    associates: list[Any]
    table_name: str | None = None
    metadata: list[ColumnDef | Document] | None = None
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] = Field(default_factory=dict)
    acl_bindings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("associates")
    @classmethod
    def _at_least_two(cls, entries: list[Any]) -> list[Any]:
        bases = [_associate(e)[0] for e in entries]
        if len(bases) < 2 or len(set(bases)) < len(bases):
            msg = (
                f"an association links at least two tables under different names, not {bases!r}; "
                "give a table a name of its own as (name, table)."
            )
            raise ValueError(msg)
        return entries

    @property
    def name(self) -> str:
        """The table's name: as given, or the linked tables' names joined by ``_``."""
        return self.table_name or shorten("_".join(_associate(e)[2] for e in self.associates))

    def to_dict(self) -> Document:
        """Return the table document."""
        document = definitions.association_document(
            [_associate(entry) for entry in self.associates],
            name=self.name,
            columns=_documents(self.metadata or ()),
            comment=self.comment,
            annotations=self.annotations,
        )
        return document | {"acls": self.acls, "acl_bindings": self.acl_bindings}


@dataclass(config=_CONFIG)
class SchemaDef(_Definition):
    """A schema, with the tables that are made with it."""

    renamed: ClassVar[Mapping[str, str]] = {"schema_name": "name"}

    name: str
    comment: str | None = None
    annotations: dict[str, Any] = Field(default_factory=dict)
    acls: dict[str, Any] = Field(default_factory=dict)
    tables: Sequence[Any] = ()

    def to_dict(self) -> Document:
        """Return the schema document."""
        tables = [_document(t) for t in self.tables]
        return {
            "schema_name": self.name,
            "comment": self.comment,
            "annotations": self.annotations,
            "acls": self.acls,
            "tables": {t["table_name"]: t for t in tables},
        }


ColumnDefinition = ColumnDef
KeyDefinition = KeyDef
ForeignKeyDefinition = ForeignKeyDef
TableDefinition = TableDef
