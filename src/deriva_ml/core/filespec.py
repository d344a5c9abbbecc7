"""Files that stay where they are, described for the catalog: URL, checksum, length, types."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .exceptions import DerivaMLNotFoundError, DerivaMLUnavailableError, DerivaMLValidationError

__all__ = ["FileSpec", "FileTypes", "create_filespecs", "read_filespec"]

FileTypes = str | Iterable[str] | Callable[[Path], str | Iterable[str] | None] | None
"""Types of files: the same for all, or a function from a file's path to its types."""

_HEXADECIMAL = frozenset("0123456789abcdef")


class FileSpec(BaseModel):
    """A file that stays where it is: one row of the table ``File``, before it is inserted.

    The fields may also be given by the names of the table's columns (``URL``, ``MD5`` ...).

    Attributes:
        url: Where it is. The path of a file of this machine becomes a URL that names the machine,
            the day of the file's last change and the checksum; any other URL is kept.
        md5: The file's MD5, in hexadecimal.
        length: Its length in bytes.
        description: What it is.
        file_types: Terms of ``Asset_Type``.
    """

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    url: str = Field(alias="URL", min_length=1)
    md5: str = Field(alias="MD5")
    length: int = Field(alias="Length", ge=0)
    description: str = Field(default="", alias="Description")
    file_types: list[str] = Field(default_factory=list)

    @field_validator("md5")
    @classmethod
    def _digest(cls, value: str) -> str:
        digest = value.lower()
        if len(digest) != 32 or not set(digest) <= _HEXADECIMAL:
            raise DerivaMLValidationError(f"{value!r} is not an MD5: 32 hexadecimal digits.")
        return digest

    @field_validator("file_types", mode="before")
    @classmethod
    def _types(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _address(self) -> FileSpec:
        path = _local(self.url)
        if path is not None:
            self.__dict__["url"] = file_url(path, self.md5)
        return self

    @property
    def filename(self) -> str:
        """The name of the file."""
        return self.location[-1]

    @property
    def location(self) -> tuple[str, ...]:
        """Where the file is, as the names of directories from the outermost on, then its own."""
        _, is_local, path = self.url.rpartition("file://")
        parts = urlsplit(f"file://{path}" if is_local else self.url)
        place = () if is_local or not parts.netloc else (f"{parts.scheme}://{parts.netloc}",)
        names = tuple(unquote(name) for name in parts.path.split("/") if name)
        return (*place, *names) or (self.url,)

    @classmethod
    def create_filespecs(
        cls, path: Path | str, description: str = "", file_types: FileTypes = None
    ) -> Iterator[FileSpec]:
        """A spec of a file, or of each file below a directory, in the order of their paths.

        Links to files are followed, links to directories are not. Files are read one after
        another, when their specs are asked for.

        Args:
            path: A file or a directory of this machine.
            description: Of each file.
            file_types: Of each file, or a function from a path to types.

        Raises:
            DerivaMLNotFoundError: There is nothing at `path`.
            DerivaMLUnavailableError: A file cannot be read.
        """
        return create_filespecs(path, description, file_types)

    @staticmethod
    def read_filespec(path: Path | str) -> Iterator[FileSpec]:
        """The specs in a file of JSON lines.

        Raises:
            DerivaMLNotFoundError: There is no such file.
            DerivaMLValidationError: A line is not a spec; the message says which, and why.
        """
        return read_filespec(path)


def create_filespecs(
    path: Path | str, description: str = "", file_types: FileTypes = None
) -> Iterator[FileSpec]:
    """See `FileSpec.create_filespecs`."""
    top = Path(path).expanduser().absolute()
    if not top.exists():
        raise DerivaMLNotFoundError(f"There is neither a file nor a directory {str(path)!r}.")
    if not callable(file_types) and not isinstance(file_types, str) and file_types is not None:
        file_types = list(file_types)  # also one that can be gone through only once
    return (_spec(file, description, file_types) for file in _below(top))


def read_filespec(path: Path | str) -> Iterator[FileSpec]:
    """See `FileSpec.read_filespec`."""
    file = Path(path)
    if not file.is_file():
        raise DerivaMLNotFoundError(f"There is no file {str(path)!r} of file specs.")
    return _lines(file)


def file_url(path: Path, md5: str) -> str:
    """The URL under which the catalog knows a file of this machine with this content.

    The checksum is part of it, so that a file that changes gets another row.
    """
    from deriva_ml.asset.download import local_file_url

    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:  # it may be on this machine only later
        changed = datetime.now(UTC)
    return f"{local_file_url(path, changed.date().isoformat())}#md5={md5}"


def _below(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
        return
    for directory, inside, files in os.walk(top, onerror=_unreadable):
        inside.sort()
        for name in sorted(files):
            yield Path(directory, name)


def _unreadable(error: OSError) -> None:
    raise DerivaMLUnavailableError(f"A directory cannot be read: {error}.") from error


def _spec(path: Path, description: str, file_types: FileTypes) -> FileSpec:
    types = file_types(path) if callable(file_types) else file_types
    try:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
            length = file.tell()
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"The file {str(path)!r} cannot be read: {error}."
        ) from error
    names = [types] if isinstance(types, str) else list(types or ())
    return FileSpec(
        URL=file_url(path, md5), MD5=md5, Length=length, Description=description, file_types=names
    )


def _local(url: str) -> Path | None:
    """The path of a file of this machine, if that is what the text is."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if len(parts.scheme) > 1 or url.startswith("/hatrac/"):  # one letter is a Windows drive
        return None
    return Path(url).expanduser().absolute()


def _lines(file: Path) -> Iterator[FileSpec]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield FileSpec.model_validate_json(line)
                except ValidationError as error:
                    found = "; ".join(
                        f"{'.'.join(map(str, e['loc'])) or 'line'}: {e['msg']}"
                        for e in error.errors(include_url=False)[:5]
                    )
                    raise DerivaMLValidationError(
                        f"Line {number} of {str(file)!r} is not a file spec: {found}."
                    ) from error
