"""How a service is configured: command line, environment, file, defaults, in this order.

The file is TOML: ``service.toml`` beside the catalogs, or one of your choice::

    host = "0.0.0.0"
    cert = "/etc/ssl/catalog.pem"
    key = "/etc/ssl/catalog.key"
    database = "postgresql://deriva@db.example.org/deriva"
    workers = 4
    creators = ["https://lab.example.org/group/curators"]

Each setting can be given in the environment, too: ``DERIVA_SERVICE_WORKERS=4``, lists with
commas between their items.
"""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from math import inf
from pathlib import Path
from typing import Any

from ..errors import BadRequest, NotFound, Unavailable
from .networks import Networks
from .settings import Settings

__all__ = ["FILE", "PREFIX", "Configuration", "read_configuration"]

FILE = "service.toml"
PREFIX = "DERIVA_SERVICE_"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where a service listens, what it serves, and its settings.

    Attributes:
        host: The address to listen on.
        port: The port; 0 for any that is free.
        unix_socket: A socket to listen on instead, for a proxy on the same machine.
        tls: Whether the service makes a certificate of its own, for this machine.
        cert: A certificate chain in PEM ...
        key: ... and its private key.
        insecure: Whether other machines may be served without TLS.
        home: The directory of the catalogs; None for this user's.
        database: A PostgreSQL database whose catalogs are served instead.
        files: The directory of the files (objects) of its catalogs.
        objects: The URL of a store, such as ``s3://bucket/prefix``, for the files of catalogs
            that are made from now on; those that exist stay where they are.
        tokens_file: A file of bearer tokens, see `tokenfile`.
        access_log: A file for the access log, ``-`` for the standard error; None for none.
        log_level: What else is told: ``debug``, ``info``, ``warning`` or ``error``.
        settings: The settings of the service itself.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    unix_socket: Path | None = None
    tls: bool = False
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
    home: Path | None = None
    database: str | None = None
    files: Path | None = None
    objects: str | None = None
    tokens_file: Path | None = None
    access_log: str | None = None
    log_level: str = "info"
    settings: Settings = field(default_factory=Settings)

    @property
    def is_secure(self) -> bool:
        """Whether the service speaks TLS."""
        return self.tls or self.cert is not None


_OUTER = {f.name: str(f.type) for f in fields(Configuration) if f.name != "settings"}
_INNER = {f.name: str(f.type) for f in fields(Settings)}
_TYPES = _OUTER | _INNER
_LEVELS = ("debug", "info", "warning", "error")
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def read_configuration(
    home: Path,
    file: Path | None,
    environment: Mapping[str, str],
    given: Mapping[str, Any],
) -> Configuration:
    """What is configured in all places together.

    Args:
        home: Where ``service.toml`` is looked for.
        file: The file to use instead.
        environment: Variables; those that begin with `PREFIX` count.
        given: What the command line says; None for nothing.

    Raises:
        NotFound: the file is not there.
        BadRequest: a setting is unknown, or has a value that it cannot have, or would serve
            other machines without TLS.
        Unavailable: the file cannot be read.
    """
    found = _from_file(home, file)
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            found[name] = _from_text(name, text, f"the variable {variable}")
    found |= {name: value for name, value in given.items() if value is not None}
    inner = {name: value for name, value in found.items() if name in _INNER}
    outer = {name: value for name, value in found.items() if name in _OUTER}
    configuration = Configuration(**outer, settings=Settings(**inner))
    _check(configuration)
    return configuration


def _from_file(home: Path, file: Path | None) -> dict[str, Any]:
    place = home / FILE if file is None else file
    try:
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if file is None:
            return {}
        raise NotFound(f"There is no configuration file {str(file)!r}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"The configuration {str(place)!r} cannot be read: {error}.") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"The configuration {str(place)!r} is no TOML: {error}.") from error
    return {name: _converted(name, value, str(place)) for name, value in document.items()}


def _from_text(name: str, text: str, where: str) -> Any:
    declared = _declared(name, where)
    value: Any = text
    try:
        if declared.startswith("tuple"):
            value = [item.strip() for item in text.split(",") if item.strip()]
        elif declared == "bool":
            value = _FLAGS[text.strip().lower()]
        elif declared in ("int", "float"):
            value = (int if declared == "int" else float)(text)
    except (KeyError, ValueError):
        raise _wrong(name, text, where) from None
    return _converted(name, value, where)


def _declared(name: str, where: str) -> str:
    if name not in _TYPES:
        near = get_close_matches(name, _TYPES, n=3)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise BadRequest(f"There is no setting {name!r} ({where}).", hint=hint)
    return _TYPES[name]


def _converted(name: str, value: Any, where: str) -> Any:
    declared = _declared(name, where)
    if declared.startswith("tuple"):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif declared == "bool":
        if isinstance(value, bool):
            return value
    elif declared in ("int", "float"):
        whole = isinstance(value, int) or (declared == "float" and isinstance(value, float))
        if whole and not isinstance(value, bool) and 0 <= value < inf:
            return value
    elif isinstance(value, str) and value:
        return Path(value).expanduser() if declared.startswith("Path") else value
    raise _wrong(name, value, where)


def _wrong(name: str, value: object, where: str) -> BadRequest:
    return BadRequest(f"The setting {name!r} ({where}) cannot be {value!r}.")


def _check(configuration: Configuration) -> None:
    if (configuration.cert is None) != (configuration.key is None):
        raise BadRequest("A certificate and its key ('cert' and 'key') go together.")
    if configuration.tls and configuration.cert is not None:
        raise BadRequest("'tls' makes a certificate; leave it out when there is one ('cert').")
    if configuration.log_level not in _LEVELS:
        raise _wrong("log_level", configuration.log_level, f"one of {', '.join(_LEVELS)}")
    for name in ("workers", "threads", "waiting", "body_bytes", "head_bytes"):
        if getattr(configuration.settings, name) < 1:
            raise BadRequest(f"The setting {name!r} is at least 1.")
    if configuration.settings.query_seconds <= 0:
        raise BadRequest("The setting 'query_seconds' is more than 0.")
    if not 0 <= configuration.port <= 65535:
        raise BadRequest(
            f"{configuration.port} is no port.",
            hint="Choose one up to 65535, or 0 for any free one.",
        )
    Networks(configuration.settings.trusted_proxies)
    Networks(configuration.settings.monitors)
    if configuration.cert is not None and configuration.key is not None:
        _check_certificate(configuration.cert, configuration.key)
    is_open = not (
        configuration.is_secure or configuration.insecure or configuration.unix_socket is not None
    )
    if is_open and not _is_loopback(configuration.host):
        raise BadRequest(
            f"At {configuration.host!r} other machines could listen to passwords and data.",
            hint="Give a certificate (--cert and --key, or --tls for one of this machine's own), "
            "or --insecure if a proxy on the way speaks TLS.",
        )


def _check_certificate(cert: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(
            f"The certificate {str(cert)!r} cannot be used with the key {str(key)!r}: {error}."
        ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
