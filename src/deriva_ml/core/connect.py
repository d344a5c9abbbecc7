"""From the names that a user gives to a session on a catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deriva_catalog.interface import Catalog
from deriva_ml.model.catalog import DerivaModel

from .config import compute_workdir
from .definitions import ML_SCHEMA
from .exceptions import DerivaMLConfigurationError, translated
from .host import is_directory, is_server, without_password
from .identity import identity_of
from .session import Options, Session

__all__ = ["open_session"]


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
    from deriva_catalog.catalog import connect

    if credential is not None and not is_server(hostname):
        raise DerivaMLConfigurationError(
            "Catalogs of this machine have no logins; leave credential out."
        )
    # A directory is one catalog, so its default number says nothing.
    single = is_directory(hostname) and str(catalog_id) == "1"
    catalog: Catalog = connect(hostname, None if single else catalog_id, credential=credential)
    if check_auth:
        _check_login(catalog)
    model = DerivaModel(catalog, ml_schema, domain_schemas, default_schema)
    work = compute_workdir(working_dir, catalog.id, hostname)
    return Session(
        hostname=without_password(hostname),
        catalog=catalog,
        model=model,
        project_name=project_name or model.default_schema or ml_schema,
        working_dir=work,
        cache_dir=Path(cache_dir).expanduser() if cache_dir is not None else work / "cache",
        identity=identity_of(catalog),
        options=options or Options(),
    )


def _check_login(catalog: Catalog) -> None:
    """Refuse to go on as nobody where somebody is meant: the server may show less, or nothing."""
    from deriva_catalog.catalog import RemoteCatalog

    if isinstance(catalog, RemoteCatalog):
        catalog.check_login()
