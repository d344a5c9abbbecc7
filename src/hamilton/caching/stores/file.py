"""Values as files, one for each data version."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hamilton.caching.stores.base import (
    ResultRetrievalError,
    ResultStore,
    StoredResult,
    dump_value,
    load_value,
)

__all__ = ["FileResultStore"]


class FileResultStore(ResultStore):
    """Keeps each value as a pickle named by its data version.

    A file appears complete or not at all, so that several processes may share a folder. Values
    written through a saver (``format``) lie beside the pickle, which then holds their loader.

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
        saver = loader = None
        value = result
        if saver_cls is not None and loader_cls is not None:
            outside = self._file(data_version).absolute().with_suffix(f".{saver_cls.name()}")  # type: ignore[attr-defined]
            saver, loader = _with_path(saver_cls, outside), _with_path(loader_cls, outside)
            saver.save_data(result)
            value = type(result)  # what the loader is asked for
        stored = StoredResult.new(value, expires_in, saver, loader)
        self.set_bytes(data_version, dump_value(stored))

    def set_bytes(self, data_version: str, data: bytes) -> None:
        """Writes what `hamilton.caching.stores.base.dump_value` made of a stored result."""
        target = self._file(data_version)
        self.path.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def get(self, data_version: str) -> Any:
        """Returns a value."""
        stored = self._stored(data_version)
        if stored.expired:
            raise ResultRetrievalError(f"The value {data_version!r} has expired.")
        if stored.loader is None:
            return stored.value
        try:
            return stored.loader.load_data(stored.value)[0]
        except Exception as error:
            # Any loader, any damage to the file it reads.
            raise ResultRetrievalError(
                f"The value {data_version!r} cannot be loaded: {error!r}."
            ) from error

    def _stored(self, data_version: str) -> StoredResult:
        try:
            found = load_value(self._file(data_version).read_bytes())
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
            file.unlink(missing_ok=True)
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

    def exists(self, data_version: str) -> bool:
        """Returns whether a value is there."""
        return self._file(data_version).is_file()

    def versions(self) -> list[str]:
        """Returns the data versions of all values."""
        return [f.name for f in self.path.iterdir() if f.is_file() and "." not in f.name]


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
