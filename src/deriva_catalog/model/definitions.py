"""Writing documents of new elements: plain tables, vocabularies, assets, associations.

These functions only build documents; `creation` checks them. The documents of the tables
that every catalog has are here too.

Source: ERMrest, "System columns" and "Built-in tables"; DerivaML, "Table patterns".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import BadRequest
from .names import foreign_key_name, key_name, shorten
from .typenames import parse_type, type_document

__all__ = [
    "ASSET_TAG",
    "BUILTIN_TABLES",
    "asset_document",
    "association_document",
    "builtin_tables",
    "column_document",
    "foreign_key_document",
    "key_document",
    "reference_document",
    "system_columns",
    "table_document",
    "vocabulary_document",
]

ASSET_TAG = "tag:isrd.isi.edu,2017:asset"
BUILTIN_TABLES = ("ERMrest_Client", "ERMrest_Group", "ERMrest_RID_Lease")

Document = dict[str, Any]


def column_document(
    name: str,
    type: str | Mapping[str, Any],
    *,
    nullok: bool = True,
    default: Any = None,
    comment: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Document:
    """The document of a column; `type` is a name such as ``int4`` or ``text[]``, or a document.

    Raises:
        Conflict: there is no such type.
    """
    return {
        "name": name,
        "type": type_document(parse_type(type)),
        "nullok": nullok,
        "default": default,
        "comment": comment,
        "annotations": dict(annotations or {}),
    }


def key_document(
    columns: Sequence[str],
    *,
    name: str | None = None,
    comment: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Document:
    """The document of a key over `columns`; without `name` it gets the default name."""
    return {
        "unique_columns": list(columns),
        "names": [["", name]] if name else [],
        "comment": comment,
        "annotations": dict(annotations or {}),
    }


def foreign_key_document(
    columns: Sequence[str],
    referenced_schema: str,
    referenced_table: str,
    referenced_columns: Sequence[str] = ("RID",),
    *,
    name: str | None = None,
    on_delete: str = "NO ACTION",
    on_update: str = "NO ACTION",
    comment: str | None = None,
) -> Document:
    """The document of a foreign key, as it stands inside the document of its table."""
    return {
        "foreign_key_columns": [{"column_name": column} for column in columns],
        "referenced_columns": [
            {
                "schema_name": referenced_schema,
                "table_name": referenced_table,
                "column_name": column,
            }
            for column in referenced_columns
        ],
        "names": [["", name]] if name else [],
        "on_delete": on_delete,
        "on_update": on_update,
        "comment": comment,
        "annotations": {},
    }


def reference_document(
    table: str, column: str, schema: str, base: str, *, referenced: str = "RID"
) -> Document:
    """A foreign key made for the user: it cascades, and is called ``<table>_<column>_fkey``.

    A reference to a vocabulary refers to its ``Name``; any other to ``RID``, the default.
    """
    return foreign_key_document(
        [column],
        schema,
        base,
        [referenced],
        name=foreign_key_name(table, [column]),
        on_delete="CASCADE",
        on_update="CASCADE",
    )


def system_columns() -> list[Document]:
    """The documents of RID, RCT, RMT, RCB and RMB."""
    return [
        column_document("RID", "ermrest_rid", nullok=False),
        column_document("RCT", "ermrest_rct", nullok=False),
        column_document("RMT", "ermrest_rmt", nullok=False),
        column_document("RCB", "ermrest_rcb"),
        column_document("RMB", "ermrest_rmb"),
    ]


def table_document(
    name: str,
    columns: Iterable[Mapping[str, Any]] = (),
    *,
    keys: Iterable[Mapping[str, Any]] = (),
    foreign_keys: Iterable[Mapping[str, Any]] = (),
    comment: str | None = None,
    annotations: Mapping[str, Any] | None = None,
    user_references: bool = True,
) -> Document:
    """The document of a table with the five system columns and the key on RID before the rest.

    Args:
        name: The table's name.
        columns: Documents of its own columns; system columns among them are left out.
        keys: Documents of further keys.
        foreign_keys: Documents of foreign keys.
        comment: What the table is for.
        annotations: Annotations by key.
        user_references: Whether RCB and RMB refer to ``public:ERMrest_Client(ID)``.
    """
    system = system_columns()
    known = {column["name"] for column in system}
    given = [dict(key) for key in keys]
    if not any(key.get("unique_columns") == ["RID"] for key in given):
        given.insert(0, key_document(["RID"], name=key_name(name, ["RID"])))
    references = [dict(fkey) for fkey in foreign_keys]
    if user_references:
        references += [
            foreign_key_document(
                [column], "public", "ERMrest_Client", ["ID"], name=foreign_key_name(name, [column])
            )
            for column in ("RCB", "RMB")
        ]
    return {
        "table_name": name,
        "kind": "table",
        "comment": comment,
        "annotations": dict(annotations or {}),
        "column_definitions": [*system, *(dict(c) for c in columns if c.get("name") not in known)],
        "keys": given,
        "foreign_keys": references,
    }


def vocabulary_document(
    name: str,
    curie_template: str,
    *,
    uri_template: str = "/id/{RID}",
    columns: Iterable[Mapping[str, Any]] = (),
    comment: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Document:
    """The document of a table of controlled terms: ID, URI, Name, Description, Synonyms.

    Args:
        name: The table's name.
        curie_template: Default of ID, such as ``my-project:{RID}``.
        uri_template: Default of URI.
        columns: Documents of further columns.
        comment: What the vocabulary is about.
        annotations: Annotations by key.

    Raises:
        BadRequest: `curie_template` is not of the form ``PREFIX:{RID}``.
    """
    prefix, colon, rest = curie_template.partition(":")
    if not prefix or not colon or not rest:
        raise BadRequest(
            f"Invalid identifier template {curie_template!r} of vocabulary {name!r}.",
            hint="Write it as 'PREFIX:{RID}'.",
        )
    terms = [
        column_document("ID", "ermrest_curie", nullok=False, default=curie_template),
        column_document("URI", "ermrest_uri", nullok=False, default=uri_template),
        column_document("Name", "text", nullok=False, comment="Preferred name of the term"),
        column_document("Description", "markdown", nullok=False),
        column_document("Synonyms", "text[]", comment="Other names of the term"),
    ]
    keys = [key_document([c], name=key_name(name, [c])) for c in ("ID", "URI", "Name")]
    return table_document(
        name, [*terms, *columns], keys=keys, comment=comment, annotations=annotations
    )


def asset_document(
    name: str,
    *,
    columns: Iterable[Mapping[str, Any]] = (),
    foreign_keys: Iterable[Mapping[str, Any]] = (),
    url_pattern: str | None = None,
    comment: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Document:
    """The document of a table of files: URL, Filename, Description, Length, MD5.

    Args:
        name: The table's name.
        columns: Documents of the asset's metadata columns.
        foreign_keys: Documents of foreign keys of those.
        url_pattern: Where uploads go, as a template over the row; none is fine.
        comment: What the files are.
        annotations: Further annotations by key.
    """
    asset: Document = {
        "filename_column": "Filename",
        "byte_count_column": "Length",
        "md5": "MD5",
    }
    if url_pattern is not None:
        asset["url_pattern"] = url_pattern
    files = [
        column_document("URL", "text", nullok=False, annotations={ASSET_TAG: asset}),
        column_document("Filename", "text"),
        column_document("Description", "markdown"),
        column_document("Length", "int8", nullok=False, comment="Size in bytes"),
        column_document("MD5", "text", nullok=False, comment="MD5 checksum, in hex"),
    ]
    return table_document(
        name,
        [*files, *columns],
        keys=[key_document(["URL"], name=key_name(name, ["URL"]))],
        foreign_keys=foreign_keys,
        comment=comment,
        annotations=annotations,
    )


def association_document(
    associates: Sequence[tuple[str, str, str] | tuple[str, str, str, str]],
    *,
    name: str | None = None,
    columns: Iterable[Mapping[str, Any]] = (),
    foreign_keys: Iterable[Mapping[str, Any]] = (),
    comment: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Document:
    """The document of a table whose rows link rows of other tables.

    Args:
        associates: What is linked: (column, schema, table), and a fourth member when the
            referenced column is not RID, such as ``Name`` for a vocabulary.
        name: The table's name; by default the names of the associated tables joined with
            ``_``.
        columns: Documents of metadata columns, which describe the link itself.
        foreign_keys: Documents of foreign keys of those.
        comment: What the link means.
        annotations: Annotations by key.

    Raises:
        BadRequest: fewer than two associates.
    """
    if len(associates) < 2:
        raise BadRequest(f"An association links at least two tables, not {len(associates)}.")
    table = name or shorten("_".join(associate[2] for associate in associates))
    links, references = [], []
    for column, schema, base, *target in associates:
        referenced = target[0] if target else "RID"
        links.append(column_document(column, "text", nullok=False))
        references.append(reference_document(table, column, schema, base, referenced=referenced))
    linked = [associate[0] for associate in associates]
    return table_document(
        table,
        [*links, *columns],
        keys=[key_document(linked, name=shorten(f"{table}_assoc_key"))],
        foreign_keys=[*references, *foreign_keys],
        comment=comment,
        annotations=annotations,
    )


def builtin_tables() -> list[Document]:
    """The documents of the tables that schema ``public`` of every catalog has."""
    closed: Document = {r: [] for r in ("insert", "update", "delete", "select", "enumerate")}
    client = _builtin(
        "ERMrest_Client",
        [
            column_document("ID", "text", nullok=False),
            *(column_document(name, "text") for name in ("Display_Name", "Full_Name", "Email")),
            column_document("Client_Object", "jsonb", nullok=False),
        ],
        ["ID"],
    )
    group = _builtin(
        "ERMrest_Group",
        [
            column_document("ID", "text", nullok=False),
            *(column_document(name, "text") for name in ("URL", "Display_Name", "Description")),
        ],
        ["ID"],
    )
    lease = _builtin("ERMrest_RID_Lease", [column_document("ID", "text")], ["RCB", "ID"])
    client["acls"], group["acls"] = dict(closed), dict(closed)
    lease["acls"] = {"update": [], "delete": [], "select": [], "enumerate": ["*"]}
    lease["acl_bindings"] = {
        "lessee_access": {
            "types": ["select", "update", "delete"],
            "projection": ["RCB"],
            "projection_type": "acl",
            "scope_acl": ["*"],
        }
    }
    return [client, group, lease]


def _builtin(name: str, columns: list[Document], key: list[str]) -> Document:
    keys = [
        key_document(["RID"], name=f"{name}_pkey"),
        key_document(key, name=key_name(name, key)),
    ]
    return table_document(name, columns, keys=keys, user_references=False) | {
        "schema_name": "public"
    }
