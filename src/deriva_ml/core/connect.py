"""From the names that a user gives to a session on a catalog."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from deriva_catalog.errors import CatalogError
from deriva_catalog.interface import Catalog
from deriva_catalog.model.documents import read_model
from deriva_ml.model.catalog import DerivaModel

from .catalog_stub import CatalogStub, as_catalog
from .definitions import ML_SCHEMA
from .exceptions import DerivaMLConfigurationError, DerivaMLUnavailableError, translated
from .host import is_directory, is_server, without_password
from .identity import identity_of
from .logging_config import get_logger
from .schema_cache import SchemaCache, write_json
from .session import Options, Session
from .workdir import compute_workdir

__all__ = [
    "close_shared_catalogs",
    "keep_schema",
    "open_offline",
    "open_session",
    "sharing_catalogs",
]

_log = get_logger(__name__)
_NAMES = "catalogs.json"
_sharing: ContextVar[bool] = ContextVar("sharing_catalogs", default=False)
_shared: dict[tuple[str, str], Catalog] = {}


@translated()
def open_session(
    hostname: str,
    catalog_id: str | int,
    *,
    domain_schemas: Iterable[str] | None = None,
    default_schema: str | None = None,
    project_name: str | None = None,
    working_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    ml_schema: str = ML_SCHEMA,
    credential: Mapping[str, Any] | None = None,
    check_auth: bool = True,
    options: Options | None = None,
) -> Session:
    """Connect to a catalog.

    Raises:
        DerivaMLNotFoundError: There is no such catalog.
        DerivaMLAuthenticationError: A login is needed, or has ended.
        DerivaMLUnavailableError: The server cannot be reached.
        DerivaMLSchemaError: The catalog has no ML schema.
        DerivaMLConfigurationError: A schema that was asked for is not in it.
    """
    if credential is not None and not is_server(hostname):
        raise DerivaMLConfigurationError(
            "Catalogs of this machine have no logins; leave credential out."
        )
    # A directory is one catalog, so its default number says nothing.
    single = is_directory(hostname) and str(catalog_id) == "1"
    catalog = _opened(hostname, None if single else catalog_id, credential)
    if check_auth and is_server(hostname):
        _check_login(catalog)
    model = DerivaModel(catalog, ml_schema, domain_schemas, default_schema)
    work = compute_workdir(working_dir, catalog.id, hostname)
    session = Session(
        hostname=without_password(hostname),
        catalog=catalog,
        model=model,
        project_name=project_name or model.default_schema or ml_schema,
        working_dir=work,
        cache_dir=Path(cache_dir).expanduser() if cache_dir is not None else work / "cache",
        identity=identity_of(catalog),
        options=options or Options(),
    )
    if not session.is_snapshot:
        _keep_for_later(session, str(catalog_id))
    return session


def _opened(
    hostname: str, catalog_id: str | int | None, credential: Mapping[str, Any] | None
) -> Catalog:
    """The catalog: where embedded ones are shared, the one that was opened before."""
    from deriva_catalog.catalog import connect

    name = (hostname, str(catalog_id))
    if not _sharing.get() or is_server(hostname):
        return connect(hostname, catalog_id, credential=credential)
    if name not in _shared:
        _shared[name] = connect(hostname, catalog_id)
    return _shared[name]


@contextmanager
def sharing_catalogs() -> Iterator[None]:
    """Within the block, sessions on the same embedded catalog share what it has read and compiled.

    That is most of what a session costs. It is meant for runs of one process that follow each
    other, and lasts until `close_shared_catalogs`.
    """
    token = _sharing.set(True)
    try:
        yield
    finally:
        _sharing.reset(token)


def close_shared_catalogs() -> None:
    """Close the catalogs that sessions of this process have shared."""
    while _shared:
        _, catalog = _shared.popitem()
        catalog.close()


def _keep_for_later(session: Session, asked_for: str) -> None:
    """Keep what a session without a connection needs, unless it is kept of this catalog already.

    What is kept of another one, which had the same name before, is replaced unless it is pinned.
    """
    try:
        if not SchemaCache(session.working_dir).keeps(session.identity):
            keep_schema(session)
        names = session.working_dir.parent / _NAMES
        known = _names(names)
        if asked_for != session.catalog.id and known.get(asked_for) != session.catalog.id:
            write_json(names, {**known, asked_for: session.catalog.id})
    except (
        DerivaMLConfigurationError,
        DerivaMLUnavailableError,
        CatalogError,
    ) as error:  # this session needs none of it
        _log.info("There will be no work without the catalog: %s", error)


def keep_schema(session: Session) -> str:
    """Write the catalog's schema into the cache; returns the snapshot that it is of."""
    document = session.catalog.document()
    about = {
        "id": session.catalog.id,
        "url": session.catalog.url,
        "identity": session.identity,
    }
    snapshot = session.catalog.latest_snapshot()
    SchemaCache(session.working_dir).write(document, snapshot, about)
    return snapshot


def _names(file: Path) -> dict[str, str]:
    """The numbers of catalogs by the names that they were asked for by."""
    try:
        found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


@translated()
def open_offline(
    hostname: str,
    catalog_id: str | int,
    *,
    domain_schemas: Iterable[str] | None = None,
    default_schema: str | None = None,
    project_name: str | None = None,
    working_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    ml_schema: str = ML_SCHEMA,
    schema: Mapping[str, Any] | str | Path | None = None,
    options: Options | None = None,
) -> Session:
    """A session without a connection, on the schema that is kept here, or another one.

    The schema is kept by the first connection, and anew by `refresh_schema`.

    Raises:
        DerivaMLConfigurationError: There was no connection with this working directory yet.
        DerivaMLSchemaError: The catalog has no ML schema.
    """
    asked_for = str(catalog_id)
    place = compute_workdir(working_dir, None, hostname)
    known = _names(place / _NAMES).get(asked_for, asked_for)
    work = compute_workdir(working_dir, known, hostname)
    cached = SchemaCache(work).load()
    about = cached.about
    document = cached.schema if schema is None else _document(schema)
    stub = as_catalog(CatalogStub(about["id"], about["url"], read_model(document)))
    model = DerivaModel(stub, ml_schema, domain_schemas, default_schema)
    return Session(
        hostname=without_password(hostname),
        catalog=stub,
        model=model,
        project_name=project_name or model.default_schema or ml_schema,
        working_dir=work,
        cache_dir=Path(cache_dir).expanduser() if cache_dir is not None else work / "cache",
        identity=about["identity"],
        options=options or Options(),
    )


def _document(schema: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    """A schema's document, perhaps from a file."""
    if isinstance(schema, Mapping):
        return schema
    try:
        found: Any = json.loads(Path(schema).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DerivaMLConfigurationError(
            f"{str(schema)!r} does not hold the document of a schema: {error}."
        ) from error
    return found if isinstance(found, Mapping) else {}


def _check_login(catalog: Catalog) -> None:
    """Refuse to go on as nobody where somebody is meant: the server may show less, or nothing."""
    from deriva_catalog.catalog import RemoteCatalog

    if isinstance(catalog, RemoteCatalog):
        catalog.check_login()
