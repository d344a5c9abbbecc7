"""The ML schema as data: its tables in the order in which they refer to each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deriva_catalog.interface import Catalog
from deriva_catalog.model.elements import Schema
from deriva_ml.core.definitions import (
    AssetTableDef,
    AssociationTableDef,
    BuiltinTypes,
    ColumnDef,
    ForeignKeyDef,
    KeyDef,
    TableDef,
    VocabularyTableDef,
)
from deriva_ml.core.exceptions import DerivaMLSchemaError

__all__ = [
    "asset_associations",
    "domain_schema_document",
    "ml_schema_documents",
    "ml_schema_of",
    "with_user_links",
    "without_upload",
]

Document = dict[str, Any]

TEXT, MARKDOWN = BuiltinTypes.text, BuiltinTypes.markdown
_DISPLAY = "tag:misd.isi.edu,2015:display"
_TABLE_DISPLAY = "tag:isrd.isi.edu,2016:table-display"
_METADATA_TEMPLATE = "/hatrac/metadata/{{MD5}}.{{Filename}}"
_ML_ASSETS = {
    "Execution_Metadata": "Files that describe executions: configuration, environment, metrics.",
    "Execution_Asset": "Files that executions read and made.",
    "File": "Files that are kept outside of the object store, known by their URL and checksum.",
}
_VOCABULARIES = {
    "Feature_Name": "Names of features.",
    "Asset_Type": "What kinds of files there are.",
    "Asset_Role": "What an asset can be to an execution.",
    "Execution_Status": "States of an execution.",
    "Workflow_Type": "What workflows are for.",
    "Dataset_Type": "What datasets are for.",
}


def ml_schema_of(catalog: Catalog, name: str) -> Schema:
    """The ML schema of a catalog.

    Raises:
        DerivaMLSchemaError: It has none of that name.
    """
    found = catalog.model.schemas.get(name)
    if found is None:
        raise DerivaMLSchemaError(
            f"Catalog {catalog.id!r} has no schema {name!r}. Make it with create_ml_schema()."
        )
    return found


def with_user_links(document: Document) -> Document:
    """The table document with the references from `RCB` and `RMB` to the catalog's users."""
    name, given = document["table_name"], document.get("foreign_keys", ())
    linked = [[c["column_name"] for c in f["foreign_key_columns"]] for f in given]
    links = [
        ForeignKeyDef((c,), "public", "ERMrest_Client", ("ID",), f"{name}_{c}_fkey").to_dict()
        for c in ("RCB", "RMB")
        if [c] not in linked
    ]
    return {**document, "foreign_keys": [*given, *links]}


def asset_associations(schema: str, asset: str, ml_schema: str) -> list[Document]:
    """The two tables that every asset table has: its types, and the executions around it."""
    end = (asset, f"{schema}:{asset}")
    types = AssociationTableDef(
        [end, ("Asset_Type", f"{ml_schema}:Asset_Type:Name")],
        table_name=f"{asset}_Asset_Type",
        comment=f"Types of {asset} files.",
    )
    executions = AssociationTableDef(
        [end, ("Execution", f"{ml_schema}:Execution")],
        table_name=f"{asset}_Execution",
        metadata=[ColumnDef("Asset_Role", TEXT, nullok=False)],
        comment=f"Which executions read or made {asset} files.",
    ).to_dict()
    role = ForeignKeyDef(
        ("Asset_Role",), ml_schema, "Asset_Role", ("Name",), f"{asset}_Execution_Asset_Role_fkey"
    )
    executions["foreign_keys"].append(role.to_dict())
    return [types.to_dict(), executions]


def ml_schema_documents(schema: str, project_name: str) -> list[Document]:
    """The document of the ML schema, then the reference that closes its one cycle.

    A dataset refers to its current version and a version to its dataset, so that reference can
    only be made once both tables exist.
    """
    tables = [
        *_vocabularies(schema, project_name),
        *_runs(schema),
        *_datasets(schema),
        *_assets(schema),
        AssociationTableDef([f"{schema}:Dataset", f"{schema}:File"]).to_dict(),
    ]
    document = {
        "schema_name": schema,
        "comment": "Datasets, features, executions and workflows of machine learning.",
        "annotations": {_DISPLAY: {"name_style": {"underline_space": True}}},
        "tables": {t["table_name"]: with_user_links(t) for t in tables},
    }
    current = ForeignKeyDef(
        ("Version",), schema, "Dataset_Version", ("RID",), "Dataset_Version_fkey"
    ).to_dict()
    for column in current["foreign_key_columns"]:
        column.update(schema_name=schema, table_name="Dataset")
    return [document, current]


def domain_schema_document(schema: str) -> Document:
    """The document of an empty schema for the user's tables."""
    return {
        "schema_name": schema,
        "comment": f"Tables of {schema}.",
        "annotations": {_DISPLAY: {"name_style": {"underline_space": True}}},
    }


def _vocabularies(schema: str, project: str) -> list[Document]:
    return [
        VocabularyTableDef(
            name,
            # Workflow types mean the same in every project, so the schema names them.
            f"{schema if name == 'Workflow_Type' else project}:{{RID}}",
            comment=comment,
        ).to_dict()
        for name, comment in _VOCABULARIES.items()
    ]


def _assets(schema: str) -> list[Document]:
    documents: list[Document] = []
    for name, comment in _ML_ASSETS.items():
        template = None if name == "File" else _METADATA_TEMPLATE
        document = AssetTableDef(
            schema, name, hatrac_template=template, comment=comment, annotations=file_name_rows()
        ).to_dict()
        if name == "File":
            without_upload(document)
        documents += [document, *asset_associations(schema, name, schema)]
    return documents


def without_upload(document: Document) -> None:
    """Take away the pattern that says where uploads go: these files stay where they are."""
    for column in document["column_definitions"]:
        for annotation in column.get("annotations", {}).values():
            annotation.pop("url_pattern", None)


def file_name_rows() -> dict[str, Any]:
    """The annotation that shows rows of an asset table by file name."""
    return {_TABLE_DISPLAY: {"row_name": {"row_markdown_pattern": "{{{Filename}}}"}}}


def _rows_named(pattern: str) -> dict[str, Any]:
    return {_TABLE_DISPLAY: {"row_name": {"row_markdown_pattern": pattern}}}


def _runs(schema: str) -> Iterable[Document]:
    """Workflows and their executions."""
    yield TableDef(
        "Workflow",
        [
            ColumnDef("Name", TEXT),
            ColumnDef("Description", MARKDOWN),
            ColumnDef("URL", BuiltinTypes.ermrest_uri, comment="Where the code is."),
            ColumnDef("Checksum", TEXT, comment="Git object or content hash of the code."),
            ColumnDef("Version", TEXT, comment="Version of the code."),
        ],
        comment="Code that executions run; URL and checksum together identify it.",
        annotations=_rows_named("{{{Name}}}"),
    ).to_dict()
    yield AssociationTableDef(
        [f"{schema}:Workflow", ("Workflow_Type", f"{schema}:Workflow_Type:Name")]
    ).to_dict()
    yield TableDef(
        "Execution",
        [
            ColumnDef("Workflow", TEXT),
            ColumnDef("Description", MARKDOWN),
            ColumnDef("Start", BuiltinTypes.timestamptz, comment="When the run began."),
            ColumnDef("Stop", BuiltinTypes.timestamptz, comment="When the run ended."),
            ColumnDef("Execution_Duration", TEXT),
            ColumnDef("Download_Duration", TEXT),
            ColumnDef("Upload_Duration", TEXT),
            ColumnDef("Status", TEXT),
            ColumnDef("Status_Detail", TEXT, comment="Latest message, or the error that ended it."),
        ],
        foreign_keys=[
            ForeignKeyDef(("Workflow",), schema, "Workflow", ("RID",), "Execution_Workflow_fkey"),
            ForeignKeyDef(
                ("Status",), schema, "Execution_Status", ("Name",), "Execution_Status_fkey"
            ),
        ],
        comment="Runs of workflows.",
        annotations=_rows_named("{{{RID}}} {{{Description}}}"),
    ).to_dict()
    yield AssociationTableDef(
        [f"{schema}:Execution", ("Nested_Execution", f"{schema}:Execution")],
        table_name="Execution_Execution",
        metadata=[ColumnDef("Sequence", BuiltinTypes.int4, comment="Empty when in parallel.")],
        comment="Executions inside executions.",
    ).to_dict()


def _datasets(schema: str) -> Iterable[Document]:
    """Datasets, their versions and what they have to do with executions."""
    yield TableDef(
        "Dataset",
        [
            ColumnDef("Description", MARKDOWN),
            ColumnDef("Deleted", BuiltinTypes.boolean, default=False),
            ColumnDef("Version", TEXT, comment="The current version."),
        ],
        comment="Collections of rows, with versions.",
        annotations=_rows_named("{{{RID}}} {{{Description}}}"),
    ).to_dict()
    yield AssociationTableDef(
        [f"{schema}:Dataset", ("Dataset_Type", f"{schema}:Dataset_Type:Name")]
    ).to_dict()
    yield _dataset_version(schema)
    yield AssociationTableDef(
        [f"{schema}:Dataset", ("Nested_Dataset", f"{schema}:Dataset")],
        table_name="Dataset_Dataset",
        comment="Datasets inside datasets.",
    ).to_dict()
    consumed = AssociationTableDef(
        [f"{schema}:Dataset", f"{schema}:Execution"],
        metadata=[ColumnDef("Dataset_Version", TEXT, comment="The version that was read.")],
        comment="Which executions read which datasets.",
    ).to_dict()
    version = ForeignKeyDef(
        ("Dataset_Version",),
        schema,
        "Dataset_Version",
        ("RID",),
        "Dataset_Execution_Dataset_Version_fkey",
    )
    consumed["foreign_keys"].append(version.to_dict())
    yield consumed
    yield TableDef(
        "Directory_Dataset",
        [ColumnDef("Dataset", TEXT, nullok=False), ColumnDef("Path", TEXT)],
        [KeyDef(("Dataset",), "Directory_Dataset_Dataset_key")],
        [
            ForeignKeyDef(
                ("Dataset",), schema, "Dataset", ("RID",), "Directory_Dataset_Dataset_fkey"
            )
        ],
        comment="Directories that datasets of files were made from.",
    ).to_dict()


def _dataset_version(schema: str) -> Document:
    return TableDef(
        "Dataset_Version",
        [
            ColumnDef("Version", TEXT, default="0.1.0"),
            ColumnDef("Description", MARKDOWN),
            ColumnDef("Dataset", TEXT, comment="The dataset that this is a version of."),
            ColumnDef("Execution", TEXT, comment="The execution that made this version."),
            ColumnDef("Minid", TEXT, comment="Persistent identifier of the version's archive."),
            ColumnDef("Minid_Spec_Hash", TEXT),
            ColumnDef("Snapshot", TEXT, comment="The catalog as it was at this version."),
        ],
        [KeyDef(("Dataset", "Version"), "Dataset_Version_Dataset_Version_key")],
        [
            ForeignKeyDef(
                ("Dataset",), schema, "Dataset", ("RID",), "Dataset_Version_Dataset_fkey"
            ),
            ForeignKeyDef(
                ("Execution",), schema, "Execution", ("RID",), "Dataset_Version_Execution_fkey"
            ),
        ],
        comment="Versions of datasets.",
        annotations=_rows_named("{{{Version}}}"),
    ).to_dict()
