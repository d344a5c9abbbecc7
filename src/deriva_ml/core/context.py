"""Which catalog to work with, as a file in the project says."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from .exceptions import DerivaMLConfigurationError, DerivaMLNotFoundError, translated
from .host import directory_of, is_directory, without_password

__all__ = ["CONTEXT_FILE", "offer_context", "place_of", "read_context", "write_context"]

CONTEXT_FILE = ".deriva-context.json"
_KNOWN = ("hostname", "catalog_id", "default_schema", "working_dir")
_REMARKS = ("version", "connected_at")
"""What other writers of the file put in, and nobody needs to connect."""


def read_context(path: Path | str | None = None) -> dict[str, Any]:
    """What the nearest context file says: arguments to connect with.

    Args:
        path: The file, or a directory: it is looked for there, then in the directories above.
            None means the current directory.

    Relative paths in it are taken from the file's own directory.

    Raises:
        FileNotFoundError: There is no such file.
        DerivaMLConfigurationError: It says something else, or not enough.
    """
    file = _nearest(path)
    if file is None:
        raise FileNotFoundError(
            f"There is no {CONTEXT_FILE} in {str(path or Path.cwd())!r} or above it. It holds the "
            "hostname and catalog_id of the catalog to work with; DerivaML.write_context and "
            "deriva-ml-config context write it."
        )
    return _read(file)


def _nearest(path: Path | str | None) -> Path | None:
    start = Path.cwd() if path is None else Path(path).expanduser().absolute()
    places = [start] if start.is_file() else [d / CONTEXT_FILE for d in (start, *start.parents)]
    return next((p for p in places if p.is_file()), None)


@translated()
def write_context(
    directory: Path | str | None,
    hostname: str,
    catalog_id: str | int,
    *,
    default_schema: str | None = None,
    working_dir: Path | str | None = None,
) -> Path:
    """Write the context file of a project, in place of one that is there; return its path.

    Args:
        directory: The project's directory; None means the current one.
        hostname: Where the catalog is, as for `DerivaML`. A directory inside the project is
            written as seen from the project, so that the project may be moved; the URL of a
            database is written without its password.
        catalog_id: The catalog's number or name.
        default_schema: Where new tables go.
        working_dir: Base of the directories of runs.

    Raises:
        DerivaMLNotFoundError: There is no such directory.
        DerivaMLConfigurationError: The file cannot be written there.
    """
    place = (Path.cwd() if directory is None else Path(directory).expanduser()).resolve()
    if not place.is_dir():
        raise DerivaMLNotFoundError(
            f"There is no directory {str(place)!r} to write {CONTEXT_FILE} into; make it first."
        )
    said: dict[str, Any] = {"hostname": _seen_from(place, hostname), "catalog_id": catalog_id}
    if default_schema is not None:
        said["default_schema"] = default_schema
    if working_dir is not None:
        said["working_dir"] = _relative(place, working_dir)
    file = place / CONTEXT_FILE
    new = file.with_name(f"{CONTEXT_FILE}.{secrets.token_hex(4)}")
    try:
        new.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise DerivaMLConfigurationError(
            f"{str(file)!r} cannot be written: {error.strerror}. Make its directory writable, or "
            "name another one."
        ) from error
    finally:
        new.unlink(missing_ok=True)
    return file


def _seen_from(place: Path, hostname: str) -> str:
    """A host as it may be written down; the directory of a catalog as `_relative` writes it."""
    if not is_directory(hostname):
        return without_password(hostname)
    return _relative(place, directory_of(hostname), dotted=True)


def _relative(place: Path, given: Path | str, *, dotted: bool = False) -> str:
    """A path below a directory as seen from there, any other in full."""
    path = Path(given).expanduser().resolve()
    if not path.is_relative_to(place):
        return str(path)
    inside = path.relative_to(place).as_posix()
    return f"./{inside}" if dotted else inside


def place_of(
    host: str | None, catalog: str | None, context: Path | str | None = None
) -> dict[str, Any]:
    """Arguments to connect with: what a command was given, else what the context file says.

    Args:
        host: The value of ``--host``; None where it was left out.
        catalog: The value of ``--catalog``; None where it was left out.
        context: Where the context file is looked for; None means the current directory.

    Raises:
        DerivaMLConfigurationError: There is neither a host nor a context file.
    """
    said: dict[str, Any] = {}
    if host is None:
        try:
            said = read_context(context)
        except FileNotFoundError as error:
            raise DerivaMLConfigurationError(
                f"It is not said which catalog is meant: give --host, or keep {CONTEXT_FILE} in "
                "the project (deriva-ml-config context --host H --catalog C writes it)."
            ) from error
    else:
        said["hostname"] = host
    if catalog is not None:
        said["catalog_id"] = catalog
    return said


def offer_context(path: Path | str | None = None) -> Path | None:
    """Store the context file's connection where a project has none of its own.

    It becomes the option ``default_deriva`` of the group ``deriva_ml``. A project that stores any
    option of the group, or that has no context file, is left alone.

    Returns:
        The file whose connection is used; None where none is.

    Raises:
        DerivaMLConfigurationError: The file says something else than where to connect.
    """
    from hydra_zen import builds, store

    from .config import DerivaMLConfig

    if any(entry["group"] == "deriva_ml" for entry in store):
        return None
    file = _nearest(path)
    if file is None:
        return None
    connection = builds(DerivaMLConfig, populate_full_signature=True, **_read(file))
    about = f"As {CONTEXT_FILE} says."
    store(connection, group="deriva_ml", name="default_deriva", zen_meta={"description": about})
    return file


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DerivaMLConfigurationError(f"{str(file)!r} cannot be read: {error}.") from error
    known = isinstance(found, dict) and set(found) <= {*_KNOWN, *_REMARKS}
    if not known or not {"hostname", "catalog_id"} <= set(found):
        raise DerivaMLConfigurationError(
            f"{str(file)!r} must hold hostname and catalog_id, and may hold default_schema and "
            f"working_dir; it holds {sorted(found) if isinstance(found, dict) else found!r}."
        )
    said = {name: found[name] for name in _KNOWN if found.get(name) is not None}
    return {**said, **_placed(said, file.parent)}


def _placed(said: dict[str, Any], beside: Path) -> dict[str, str]:
    """The paths among what a file says, from its directory on."""
    placed = {}
    host, work = said.get("hostname"), said.get("working_dir")
    if isinstance(host, str) and host.startswith("."):
        placed["hostname"] = str((beside / host).resolve())
    if isinstance(work, str) and not work.startswith("~"):
        placed["working_dir"] = str((beside / work).resolve())
    return placed
