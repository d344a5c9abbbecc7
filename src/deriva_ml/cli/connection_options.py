"""Options by which commands say which catalog is meant, and who asks for it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

__all__ = ["add_catalog", "add_identity", "use_identity"]

_TOKEN, _HOST, _FILE = "DERIVA_TOKEN", "DERIVA_HOST", "DERIVA_CREDENTIAL_FILE"


def add_catalog(to: argparse.ArgumentParser, *, from_context: bool = True) -> None:
    """Add ``--host`` and ``--catalog``.

    Args:
        to: The parser of a command.
        from_context: Whether the project's context file is asked where they are left out, see
            `deriva_ml.core.context.place_of`.
    """
    host, catalog = "", " (default: 1)"
    if from_context:
        host = " (default: what .deriva-context.json says)"
        catalog = " (default: 1, or what that file says where --host is left out)"
    to.add_argument("--host", metavar="H", help=f"host, URL or directory of the catalog{host}")
    to.add_argument("--catalog", metavar="C", help=f"number or name of the catalog{catalog}")


def add_identity(to: argparse.ArgumentParser) -> None:
    """Add ``--credential-file`` and ``--token``."""
    add = to.add_argument_group("who asks").add_argument
    add(
        "--credential-file",
        metavar="FILE",
        type=Path,
        help="what 'deriva-catalog login' keeps (default: ~/.deriva/credential.json)",
    )
    add(
        *("--token", "--oauth2-token"),
        metavar="T",
        help="access token for --host. Others on this machine can see it in the list of "
        f"processes: a credential file, or {_TOKEN} and {_HOST} in the environment, are better",
    )


def use_identity(options: argparse.Namespace) -> None:
    """Tell this process, and those it starts, who asks.

    Args:
        options: With ``credential_file``, ``token`` and ``host``.

    Raises:
        DerivaMLConfigurationError: There is no such file, or it is not known which server the
            token is for.
    """
    if options.credential_file is not None:
        os.environ[_FILE] = str(_found(options.credential_file))
    if options.token is not None:
        os.environ[_HOST] = _server(options)
        os.environ[_TOKEN] = options.token


def _found(file: Path) -> Path:
    from deriva_ml.core.exceptions import DerivaMLConfigurationError

    place = file.expanduser().absolute()
    if not place.is_file():
        raise DerivaMLConfigurationError(
            f"There is no credential file {str(file)!r}. 'deriva-catalog login HOST' writes one, "
            f"where {_FILE} says."
        )
    return place


def _server(options: argparse.Namespace) -> str:
    """The server that a token is for; it is never sent to another one."""
    from deriva_ml.core.exceptions import DerivaMLConfigurationError
    from deriva_ml.core.host import is_server

    host: str | None = options.host or os.environ.get(_HOST)
    if not options.token:
        raise DerivaMLConfigurationError("--token is empty: write the access token behind it.")
    if not host:
        raise DerivaMLConfigurationError(
            "--token was given, but not the host that it is for: add --host H."
        )
    if not is_server(host):
        raise DerivaMLConfigurationError(
            f"{host!r} is a catalog of this machine, which has no logins: leave --token out."
        )
    return host
