"""Values as files, one for each data version."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Self

from hamilton.caching.stores.base import (
    ResultRetrievalError,
    ResultStore,
    StoredResult,
)
from hamilton.caching.stores.sealed import read_value, write_value

__all__ = ["FileResultStore"]

logger = logging.getLogger("hamilton.caching")


class FileResultStore(ResultStore):
    """Keeps each value as a pickle named by its data version.

    A file appears complete or not at all, so that several processes may share a folder. Values
    written through a saver (``format``) lie beside the pickle, which holds their loader when the
    format gives them back exactly as they were, and else the value itself.

    Args:
        path: The folder.
        create_dir: Make the folder when it is missing.

    Raises:
        FileNotFoundError: The folder is missing and is not to be made.
    """

    def __init__(self, path: str | os.PathLike[str], create_dir: bool = True) -> None:
        self.path = Path(path)
        if create_dir:
            self.path.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_dir():
            raise FileNotFoundError(
                f"The cache folder {str(self.path)!r} does not exist; make it, or pass "
                "create_dir=True."
            )

    def _file(self, data_version: str) -> Path:
        return self.path / data_version

    def _outside(self, data_version: str, saver_cls: Callable[..., Any]) -> Path:
        """Returns where a saver writes a value."""
        return self._file(data_version).absolute().with_suffix(f".{saver_cls.name()}")  # type: ignore[attr-defined]

    def set(
        self,
        data_version: str,
        result: Any,
        saver_cls: Callable[..., Any] | None = None,
        loader_cls: Callable[..., Any] | None = None,
        expires_in: datetime.timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes a value; through `saver_cls` and `loader_cls` when both are given."""
        if saver_cls is None or loader_cls is None:
            self.write(data_version, StoredResult.new(result, expires_in))
            return
        outside = self._outside(data_version, saver_cls)
        partial = outside.with_name(f".{outside.stem}.{uuid.uuid4().hex}{outside.suffix}")
        try:
            _with_path(saver_cls, partial).save_data(result)
            exact = _reads_back(_with_path(loader_cls, partial), result)
            seal = _seal_of(partial)
            if outside.is_dir():
                shutil.rmtree(outside)
            partial.replace(outside)
        finally:
            _remove(partial)
        if exact:
            saver, loader = _with_path(saver_cls, outside), _with_path(loader_cls, outside)
            stored = StoredResult.new(type(result), expires_in, saver, loader, seal)
        else:
            stored = StoredResult.new(result, expires_in)
        self.write(data_version, stored)

    def write(
        self, data_version: str, stored: StoredResult, inline_bytes: int = -1
    ) -> tuple[bytes | None, int]:
        """Writes a stored result to its file, unless it takes few bytes.

        Args:
            data_version: Names the file.
            stored: What to write.
            inline_bytes: Up to this many bytes are returned and not written.

        Returns:
            The bytes when they are few, else None; and their number.
        """
        with _Spool(self._file(data_version), inline_bytes) as spool:
            write_value(stored, spool)
        return spool.few, spool.size

    def get(self, data_version: str) -> Any:
        """Returns a value."""
        stored = self._stored(data_version)
        if stored.expired:
            raise ResultRetrievalError(f"The value {data_version!r} has expired.")
        if stored.loader is None:
            return stored.value
        outside = self._outside(data_version, type(stored.saver))
        try:
            if stored.seal != _seal_of(outside):
                raise ResultRetrievalError(f"What the saver of {data_version!r} wrote is damaged.")
            # Not the loader that was kept: the folder may have been moved since.
            return _with_path(type(stored.loader), outside).load_data(stored.value)[0]
        except ResultRetrievalError:
            raise
        except Exception as error:
            # Any loader, any damage to the file it reads.
            raise ResultRetrievalError(
                f"The value {data_version!r} cannot be loaded: {error!r}."
            ) from error

    def _stored(self, data_version: str) -> StoredResult:
        try:
            with self._file(data_version).open("rb") as file:
                found = read_value(file)
        except OSError as error:
            raise ResultRetrievalError(
                f"The value {data_version!r} is not in {str(self.path)!r}: {error}."
            ) from error
        if not isinstance(found, StoredResult):
            raise ResultRetrievalError(f"The file of {data_version!r} holds something else.")
        return found

    def delete(self, data_version: str) -> None:
        """Removes a value's files."""
        for file in self.path.glob(f"{data_version}.*"):
            _remove(file)
        self._file(data_version).unlink(missing_ok=True)

    def delete_all(self) -> None:
        """Removes every value."""
        for version in self.versions():
            self.delete(version)

    def delete_expired(self) -> None:
        """Removes the values whose time is over, and those that cannot be read."""
        for version in self.versions():
            try:
                expired = self._stored(version).expired
            except ResultRetrievalError:
                expired = True
            if expired:
                self.delete(version)
        self.delete_leftovers()

    def delete_leftovers(self, older_than_s: float = 86_400) -> None:
        """Removes what processes that were killed have begun to write."""
        oldest = time.time() - older_than_s
        for file in self.path.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < oldest:
                    _remove(file)

    def exists(self, data_version: str) -> bool:
        """Returns whether a value is there."""
        return self._file(data_version).is_file()

    def versions(self) -> list[str]:
        """Returns the data versions of all values."""
        return [f.name for f in self.path.iterdir() if f.is_file() and "." not in f.name]


class _Spool:
    """Takes bytes into memory while they are few, then into a file that appears when complete.

    Attributes:
        few: The bytes that stayed in memory, or None.
        size: How many bytes there were.
    """

    def __init__(self, target: Path, most_in_memory: int) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        self._most = most_in_memory
        self._head = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0
        self.few: bytes | None = None

    def write(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self._file is None and self.size > self._most:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb")
            self._file.write(self._head)
        if self._file is None:
            self._head += data
        else:
            self._file.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is None:
            self.few = bytes(self._head)
            return
        try:
            self._file.close()
            if kind is None:
                self._partial.replace(self._target)
        finally:
            self._partial.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _reads_back(loader: Any, value: Any) -> bool:
    """Returns whether a loader gives a value back in which nobody can see a difference."""
    from hamilton.caching.fingerprint import NotFingerprintable, fingerprint

    try:
        return fingerprint(loader.load_data(type(value))[0]) == fingerprint(value)
    except NotFingerprintable:
        return False
    except Exception as error:  # noqa: BLE001 - whatever a loader raises, the pickle is there
        logger.debug("A format does not read its own file: %r", error)
        return False


def _seal_of(path: Path) -> str:
    """Returns a hash of a file, or of all files of a folder with their names."""
    digest = hashlib.sha256()
    for file in [path, *sorted(path.rglob("*"))]:
        digest.update(str(file.relative_to(path)).encode())
        if file.is_file():
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _with_path(adapter_cls: Callable[..., Any], path: Path) -> Any:
    """Makes a data adapter for a file, whatever it calls its path argument."""
    arguments = [
        *adapter_cls.get_required_arguments(),  # type: ignore[attr-defined]
        *adapter_cls.get_optional_arguments(),  # type: ignore[attr-defined]
    ]
    for name in ("path", "file", "source", "filepath_or_buffer", "path_or_buffer", "io", "buf"):
        if name in arguments:
            return adapter_cls(**{name: str(path)})
    raise TypeError(
        f"{adapter_cls!r} takes no path (arguments: {arguments}), so it cannot be a cache format."
    )
