"""From a host name and an identifier to a catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, overload
from urllib.parse import unquote, urlsplit

from ..engine.postgresql.address import is_database_url
from ..errors import BadRequest
from ..interface import Catalog
from .local import DATABASE, LocalCatalog
from .opening import create_local, open_local
from .registry import Registry

LOCALHOST: Final = "localhost"


@overload
def connect(
    hostname: Path | Literal["localhost"] = LOCALHOST,
    catalog_id: str | int | None = None,
    *,
    client: str | None = None,
    credential: Mapping[str, str] | None = None,
) -> LocalCatalog: ...


@overload
def connect(
    hostname: str | Path,
    catalog_id: str | int | None = None,
    *,
    client: str | None = None,
    credential: Mapping[str, str] | None = None,
    files: Path | None = None,
) -> Catalog: ...


def connect(
    hostname: str | Path = LOCALHOST,
    catalog_id: str | int | None = None,
    *,
    client: str | None = None,
    credential: Mapping[str, str] | None = None,
    files: Path | None = None,
) -> Catalog:
    """Open a catalog, or a snapshot of one.

    Args:
        hostname: ``localhost`` for the catalogs of this machine; a directory or its ``file:``
            URL for the catalog that lies there; ``postgresql://user@host/database`` for those
            of a database; ``host``, ``host:port`` or an ``http(s):`` URL for a server. Without
            a scheme a server is asked over HTTPS, one of this machine (``localhost:8080``) over
            plain HTTP.
        catalog_id: The identifier or alias of the catalog, perhaps with ``@`` and a snapshot.
            For a directory: only ``@`` and a snapshot, or nothing. For a database it may also
            follow the URL, after ``#``.
        client: Who is recorded for what is written; default: the login name. A server knows.
        credential: What proves to a server who asks; default: what ``deriva-catalog login`` kept.
        files: For a database: the directory with the objects (files) of its catalogs; default:
            one below the home.

    Raises:
        NotFound: there is no such catalog.
        NotAuthenticated, Forbidden: a server does not show it to this client.
        Unavailable: the server cannot be reached.
        SnapshotUnavailable: the snapshot is older than the history that is kept.
    """
    _require_host(hostname)
    name, _, moment = str("" if catalog_id is None else catalog_id).partition("@")
    if is_database_url(str(hostname)):
        url, _, fragment = str(hostname).partition("#")
        if fragment and not name:
            name, _, moment = unquote(fragment).partition("@")
        shown = url.rpartition("@")[2]
        registry = Registry.of_database(url, files)
        return _then(registry.open(_given(name, shown), client=client), moment)
    if files is not None:
        raise _no_files(str(hostname))
    place = _directory(hostname)
    if place is not None:
        if name:
            raise BadRequest(
                f"The directory {str(place)!r} is one catalog and takes no identifier {name!r}.",
                hint="Leave it out; a snapshot is written '@SNAPSHOT'.",
            )
        return _then(open_local(place, client=client), moment)
    _given(name, str(hostname))
    if str(hostname) == LOCALHOST:
        return _then(Registry().open(name, client=client), moment)
    from .remote import open_remote, parse_host

    _refuse_client(client)
    host = parse_host(str(hostname))
    return _then(open_remote(host, name, credential=credential), moment)


def _then(catalog: Catalog, moment: str) -> Catalog:
    return catalog.at(moment) if moment else catalog


def _refuse_client(client: str | None) -> None:
    if client is not None:
        raise BadRequest(
            f"A server knows by itself who asks; client={client!r} cannot be said.",
            hint="Leave it out, and log in: deriva-catalog login HOST.",
        )


@overload
def create_catalog(
    hostname: Path | Literal["localhost"] = LOCALHOST,
    *,
    catalog_id: str | None = None,
    alias: str | None = None,
    name: str | None = None,
    description: str | None = None,
    client: str | None = None,
    credential: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    prepare: Callable[[Catalog], object] | None = None,
) -> LocalCatalog: ...


@overload
def create_catalog(
    hostname: str | Path,
    *,
    catalog_id: str | None = None,
    alias: str | None = None,
    name: str | None = None,
    description: str | None = None,
    client: str | None = None,
    credential: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    prepare: Callable[[Catalog], object] | None = None,
    files: Path | None = None,
) -> Catalog: ...


def create_catalog(
    hostname: str | Path = LOCALHOST,
    *,
    catalog_id: str | None = None,
    alias: str | None = None,
    name: str | None = None,
    description: str | None = None,
    client: str | None = None,
    credential: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    prepare: Callable[[Catalog], object] | None = None,
    files: Path | None = None,
) -> Catalog:
    """Create a catalog: on this machine, in a database or a directory, or on a server.

    `hostname` and `files` are those of `connect`. `prepare` is called with the new catalog: on
    this machine and in a database before anyone else can see it, on a server before it has its
    alias.

    Raises:
        Conflict: the identifier, alias or directory is taken.
        BadRequest: an identifier, alias, name or description for a directory, which has none.
        NotAuthenticated, Forbidden: this client may not create catalogs on the server.
        Unavailable: the server cannot be reached.
    """
    if is_database_url(str(hostname)):
        url, _, fragment = str(hostname).partition("#")
        return Registry.of_database(url, files).create(
            catalog_id=catalog_id or unquote(fragment) or None,
            alias=alias,
            name=name,
            description=description,
            client=client,
            annotations=annotations,
            prepare=prepare,
        )
    if files is not None:
        raise _no_files(str(hostname))
    place = _directory(hostname)
    if place is not None:
        if any(given is not None for given in (catalog_id, alias, name, description)):
            raise BadRequest(
                f"The catalog in the directory {str(place)!r} is not registered, so it can have "
                "no identifier, alias, name or description.",
            )
        fresh = create_local(place, client=client, annotations=annotations)
        if prepare is not None:
            prepare(fresh)
        return fresh
    if str(hostname) != LOCALHOST:
        from .remote import create_remote, parse_host

        _refuse_client(client)
        return create_remote(
            parse_host(str(hostname)),
            catalog_id=catalog_id,
            alias=alias,
            name=name,
            description=description,
            annotations=annotations,
            credential=credential,
            prepare=prepare,
        )
    return Registry().create(
        catalog_id=catalog_id,
        alias=alias,
        name=name,
        description=description,
        client=client,
        annotations=annotations,
        prepare=prepare,
    )


def _of_database(url: str, files: Path | None) -> Registry:
    return Registry.of_database(url, files)


def _given(name: str, where: str) -> str:
    if not name:
        raise BadRequest(
            f"Which catalog of {where!r}? There is no identifier.",
            hint="Give the identifier or an alias.",
        )
    return name


def _no_files(hostname: str) -> BadRequest:
    return BadRequest(
        f"The catalogs of {hostname!r} keep their files themselves.",
        hint="Leave 'files' out; it is for catalogs in a database.",
    )


def _require_host(given: object) -> None:
    if not isinstance(given, str | Path):
        raise BadRequest(
            f"The place of a catalog is a host name, a URL or a directory, not {given!r}.",
            hint="connect('localhost', 'digits') opens one of this machine.",
        )


def _directory(hostname: str | Path) -> Path | None:
    """The directory that is meant, if one is: by type, by URL, or by the look of a path."""
    if isinstance(hostname, Path):
        return hostname
    if hostname.startswith("file:"):
        return Path(unquote(urlsplit(hostname).path))
    if "://" in hostname:
        return None
    if hostname.startswith((".", "/", "~")) or (Path(hostname) / DATABASE).is_file():
        return Path(hostname).expanduser()
    return None
