"""Making catalogs and the ML schema in them, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deriva_catalog.interface import Address, Catalog
from deriva_catalog.model.elements import Table
from deriva_ml.catalog.provenance import set_catalog_provenance
from deriva_ml.core.definitions import (
    ML_SCHEMA,
    SENTINEL_EXECUTION_DESCRIPTION,
    SENTINEL_FILE_MD5,
    SENTINEL_FILE_URL,
    SENTINEL_WORKFLOW_CHECKSUM,
    SENTINEL_WORKFLOW_URL,
    SYSTEM_SCHEMAS,
)
from deriva_ml.core.exceptions import (
    DerivaMLSchemaError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.host import is_directory, is_server
from deriva_ml.core.identity import give_identity
from deriva_ml.core.query import attributes, equals, name_of

from .access import AccessPolicy, apply_access_policy
from .definition import domain_schema_document, ml_schema_documents, ml_schema_of
from .terms import SEEDED_TERMS

__all__ = [
    "begin_ml_catalog",
    "create_ml_catalog",
    "create_ml_schema",
    "create_or_retarget_ml_catalog",
    "initialize_ml_schema",
    "reset_ml_schema",
]


@translated()
def create_ml_catalog(
    hostname: str,
    project_name: str,
    catalog_alias: str | None = None,
    domain_schema: str | None = None,
    *,
    credential: Mapping[str, Any] | None = None,
    access: AccessPolicy | None = None,
) -> Catalog:
    """Create a catalog with the ML schema and an empty schema for the project's own tables.

    On this machine and in a database it becomes visible only when it is complete: of two
    processes that create the same alias at the same time one succeeds, and a process that is
    killed on the way leaves no catalog. On a server it gets its alias when it is complete.

    Args:
        hostname: ``localhost`` for this machine, the directory that the catalog shall be, the URL
            of a database, or a server.
        project_name: Prefix of the identifiers of terms.
        catalog_alias: Name to open the catalog by, beside its number; None means the project
            name. A catalog in a directory of its own has none.
        domain_schema: Schema of the project's tables; None means the project name.
        credential: What proves to a server who you are; None means a login that was kept.
        access: Who may do what; None means that you alone may do anything.

    Returns:
        The catalog; ``DerivaML(hostname, catalog_alias)`` connects to it.

    Raises:
        DerivaMLValidationError: A name cannot be used.
        DerivaMLDataError: The alias, or the directory, is taken; nothing was changed.
        DerivaMLAuthenticationError: The server wants to know who you are.
    """
    domain = domain_schema or project_name
    _check_schema_name(domain)
    if not is_directory(hostname):
        catalog_alias = catalog_alias or project_name
    elif catalog_alias is not None:
        raise DerivaMLValidationError(
            f"A catalog in a directory has no alias; leave {catalog_alias!r} out."
        )
    return begin_ml_catalog(
        hostname,
        project_name,
        alias=catalog_alias,
        credential=credential,
        prepare=lambda made: _complete(made, domain, access),
    )


def _complete(catalog: Catalog, domain: str, access: AccessPolicy | None) -> None:
    catalog.create_schema(domain_schema_document(domain))
    if access is not None:
        apply_access_policy(catalog, access)


@translated()
def create_or_retarget_ml_catalog(
    hostname: str,
    project_name: str,
    *,
    alias: str | None = None,
    domain_schema: str | None = None,
    credential: Mapping[str, Any] | None = None,
    access: AccessPolicy | None = None,
) -> Catalog:
    """Create a catalog with the ML schema, and let an alias lead to it from now on.

    The alias is bound when the catalog is complete. If it led to another catalog before, that one
    stays under its number.

    Args:
        hostname: ``localhost``, the URL of a database, or a server.
        project_name: Prefix of the identifiers of terms.
        alias: The alias; None means the project name.
        domain_schema: Schema of the project's tables; None means the project name.
        credential: What proves to a server who you are; None means a login that was kept.
        access: Who may do what; None means that you alone may do anything.

    Raises:
        DerivaMLValidationError: A name cannot be used, or `hostname` is a directory.
        DerivaMLDataError: The alias is the number of a catalog.
        DerivaMLAuthenticationError, DerivaMLPermissionError: You may not do that on the server.
    """
    if is_directory(hostname):
        raise DerivaMLValidationError(
            f"The catalog in the directory {hostname!r} has no alias; use create_ml_catalog()."
        )
    domain = domain_schema or project_name
    _check_schema_name(domain)
    made = begin_ml_catalog(
        hostname,
        project_name,
        credential=credential,
        prepare=lambda fresh: _complete(fresh, domain, access),
    )
    try:
        _bind(hostname, alias or project_name, made.id, credential)
    except BaseException:
        made.close()
        raise
    return made


def _bind(hostname: str, alias: str, catalog_id: str, credential: Mapping[str, Any] | None) -> None:
    from deriva_catalog.catalog import Registry
    from deriva_catalog.catalog.remote import bind_alias, parse_host

    if is_server(hostname):
        bind_alias(parse_host(hostname), alias, catalog_id, credential=credential)
        return
    registry = (
        Registry() if hostname == "localhost" else Registry.of_database(hostname.partition("#")[0])
    )
    try:
        registry.set_alias(alias, catalog_id)
    finally:
        registry.close()


def begin_ml_catalog(
    hostname: str,
    project_name: str,
    *,
    alias: str | None = None,
    credential: Mapping[str, Any] | None = None,
    prepare: Callable[[Catalog], object] | None = None,
) -> Catalog:
    """Create a catalog with the ML schema, and with what `prepare` does, in one transaction."""
    from deriva_catalog.catalog import create_catalog

    def build(catalog: Catalog) -> None:
        with catalog.transaction():
            create_ml_schema(catalog, project_name=project_name)
            set_catalog_provenance(catalog, name=project_name)
            if prepare is not None:
                prepare(catalog)

    name = None if is_directory(hostname) else project_name
    return create_catalog(hostname, alias=alias, name=name, credential=credential, prepare=build)


def _check_schema_name(name: str) -> None:
    if not isinstance(name, str) or not name.strip():
        raise DerivaMLValidationError(f"A project and its schema need names, not {name!r}.")
    if name == ML_SCHEMA or name in SYSTEM_SCHEMAS:
        raise DerivaMLValidationError(
            f"{name!r} is the name of a schema of the system; choose another domain_schema."
        )


@translated()
def create_ml_schema(
    catalog: Catalog,
    schema_name: str = ML_SCHEMA,
    project_name: str | None = None,
    *,
    force: bool = False,
) -> None:
    """Create the ML schema in a catalog, with its terms, in one transaction.

    Args:
        catalog: The catalog.
        schema_name: Name of the schema.
        project_name: Prefix of the identifiers of terms; None means `schema_name`.
        force: Drop a schema of that name first, with everything in it.

    Raises:
        DerivaMLSchemaError: There is such a schema and `force` is false.
    """
    with catalog.transaction():
        if schema_name in catalog.model.schemas:
            if not force:
                raise DerivaMLSchemaError(
                    f"Catalog {catalog.id!r} has a schema {schema_name!r} already. Pass "
                    "force=True to drop it with all datasets, executions and features in it."
                )
            _drop(catalog, schema_name)
        catalog.create(ml_schema_documents(schema_name, project_name or schema_name))
        initialize_ml_schema(catalog, schema_name)
        give_identity(catalog)


def reset_ml_schema(catalog: Catalog | Any, ml_schema: str = ML_SCHEMA) -> None:
    """Drop the ML schema with everything in it, and create it again.

    Datasets, executions and features are gone from the present state of the catalog; its history
    still has them. References of other tables to the ML schema are dropped with it.

    Args:
        catalog: The catalog, or what belongs to one: a `DerivaML` or its model.
        ml_schema: Name of the ML schema.
    """
    create_ml_schema(catalog_of(catalog), ml_schema, force=True)


@translated()
def initialize_ml_schema(model: Catalog | Any, schema_name: str = ML_SCHEMA) -> None:
    """Add the terms that every ML schema has, and the rows for things of unknown origin.

    What is there already stays as it is; tables that the schema lacks are passed over.

    Args:
        model: The catalog, or what belongs to one: a `DerivaML` or its model.
        schema_name: Name of the ML schema.

    Raises:
        DerivaMLSchemaError: The catalog has no such schema.
    """
    target = catalog_of(model)
    with target.transaction():
        tables = ml_schema_of(target, schema_name).tables
        for vocabulary, terms in SEEDED_TERMS.items():
            if vocabulary not in tables:
                continue
            table = tables[vocabulary]
            known = known_words(target, table)
            rows = [
                {"Name": name, "Description": text, "Synonyms": []}
                for name, text in terms.items()
                if name not in known
            ]
            if rows:
                target.insert(name_of(table), rows, defaults=("ID", "URI"), returning=False)
        _insert_sentinels(target, schema_name)


def known_words(catalog: Catalog, vocabulary: Table) -> set[str]:
    """The names and synonyms of a vocabulary's terms."""
    rows = catalog.fetch(attributes(vocabulary, ("Name", "Synonyms")))
    return {word for row in rows for word in (row["Name"], *(row["Synonyms"] or ()))}


def _insert_sentinels(catalog: Catalog, schema: str) -> None:
    workflow = _sentinel(
        catalog,
        (schema, "Workflow"),
        "URL",
        {
            "Name": "Unknown Provenance",
            "Description": "Stands for code that is not known.",
            "URL": SENTINEL_WORKFLOW_URL,
            "Checksum": SENTINEL_WORKFLOW_CHECKSUM,
        },
    )
    _sentinel(
        catalog,
        (schema, "File"),
        "URL",
        {
            "URL": SENTINEL_FILE_URL,
            "Filename": "unknown",
            "Description": "Stands for inputs that are not known.",
            "Length": 0,
            "MD5": SENTINEL_FILE_MD5,
        },
    )
    execution = {
        "Workflow": workflow,
        "Description": SENTINEL_EXECUTION_DESCRIPTION,
        "Status": "Aborted",
    }
    _sentinel(catalog, (schema, "Execution"), "Description", execution)


def _sentinel(
    catalog: Catalog, key: tuple[str, str], column: str, row: dict[str, Any]
) -> str | None:
    """RID of the row for unknown things, which is inserted if need be; None without its table."""
    table = catalog.model.schemas[key[0]].tables.get(key[1])
    if table is None:
        return None
    query = attributes(table, ("RID",), equals(column, row[column]), sort=("RID",), limit=1)
    known = catalog.fetch(query)
    return str((known or catalog.insert(name_of(table), [row]))[0]["RID"])


def _drop(catalog: Catalog, schema: str) -> None:
    """Drop a schema with its tables; those that refer to others go before these."""
    model = catalog.model
    for table, fkey in [
        pair
        for (referenced, _), pairs in model.inbound.items()
        if referenced == schema
        for pair in pairs
    ]:
        catalog.drop(Address(schema=table.schema, table=table.name, foreign_key=fkey.columns))
    for name in list(model.schemas[schema].tables):
        catalog.drop(Address(schema=schema, table=name))
    catalog.drop(Address(schema=schema))


def catalog_of(thing: Catalog | Any) -> Catalog:
    """The catalog that is given, or the one that a connection or a model belongs to."""
    inner: Catalog = getattr(thing, "catalog", thing)
    return inner
