"""The files of a directory that is imported, and names that may be believed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deriva_catalog.bag import portable_name
from deriva_ml.core.exceptions import DerivaMLNotFoundError, DerivaMLValidationError

__all__ = ["SourceFile", "existing_directory", "relative_name", "scan"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be imported: where it is, and what it must be, if that is known.

    `length` is in bytes, `md5` in lower-case hexadecimal.
    """

    path: Path
    md5: str | None = None
    length: int | None = None


def existing_directory(directory: Path | str) -> Path:
    """The directory, which must be one.

    Raises:
        DerivaMLNotFoundError: There is none.
    """
    place = Path(directory).expanduser()
    if not place.is_dir():
        raise DerivaMLNotFoundError(f"There is no directory {str(directory)!r} to be imported.")
    return place


def scan(directory: Path, *, hidden: bool = False) -> dict[str, SourceFile]:
    """The files below a directory by their paths in it, ``/`` between the names, sorted.

    Args:
        directory: Where to look.
        hidden: Also files and directories whose names begin with a dot.

    Raises:
        DerivaMLValidationError: A link leads out of the directory, something is neither a file
            nor a directory, or a name cannot be one everywhere.
    """
    return dict(sorted(_files(directory, directory.resolve(), (), hidden)))


def _files(
    place: Path, root: Path, above: tuple[str, ...], hidden: bool
) -> Iterator[tuple[str, SourceFile]]:
    for entry in sorted(os.scandir(place), key=lambda e: e.name):
        if entry.name.startswith(".") and not hidden:
            continue
        name = "/".join((*above, entry.name))
        if portable_name(entry.name) != entry.name:
            raise DerivaMLValidationError(
                f"{name!r} in {str(root)!r} has a name that not every system can keep; rename it "
                f"to {portable_name(entry.name)!r} or so."
            )
        path = Path(entry.path)
        if entry.is_symlink():
            _refuse_escape(path, root, name)
        if entry.is_dir():
            if entry.is_symlink():
                raise DerivaMLValidationError(
                    f"{name!r} in {str(root)!r} is a link to a directory; its files would be "
                    "imported twice. Remove it."
                )
            yield from _files(path, root, (*above, entry.name), hidden)
        elif stat.S_ISREG(path.stat().st_mode):
            yield name, SourceFile(path)
        else:
            raise DerivaMLValidationError(
                f"{name!r} in {str(root)!r} is neither a file nor a directory; remove it."
            )


def _refuse_escape(path: Path, root: Path, name: str) -> None:
    target = path.resolve()
    if not target.is_relative_to(root) or not target.exists():
        raise DerivaMLValidationError(
            f"{name!r} in {str(root)!r} is a link to {str(target)!r}, which is not in that "
            "directory. Put the file in its place."
        )


def relative_name(text: object, where: str) -> str:
    """A path that a file names, which must stay inside the directory of that file.

    Args:
        text: The path, ``/`` between the names.
        where: Which file names it, for the message.

    Raises:
        DerivaMLValidationError: It is absolute, leads out, or is no path.
    """
    parts = text.split("/") if isinstance(text, str) else []
    if not parts or any(part in ("", ".", "..") or portable_name(part) != part for part in parts):
        raise DerivaMLValidationError(
            f"{where} names {text!r}, which is no path below its directory."
        )
    if len(parts[0]) == 2 and parts[0].endswith(":"):
        raise DerivaMLValidationError(f"{where} names {text!r}, a path of another system.")
    return "/".join(parts)
