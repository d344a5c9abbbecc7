"""Stores that live in memory, and can be written out and read back."""

from __future__ import annotations

import atexit
import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hamilton.caching.stores.base import (
    MetadataStore,
    ResultRetrievalError,
    ResultStore,
    StoredResult,
)

__all__ = ["InMemoryMetadataStore", "InMemoryResultStore"]


class InMemoryResultStore(ResultStore):
    """Keeps the values themselves, without a copy.

    Args:
        persist_on_exit: Write everything to ``./.hamilton_cache`` when the process ends.
    """

    def __init__(self, persist_on_exit: bool = False) -> None:
        self._results: dict[str, StoredResult] = {}
        if persist_on_exit:
            atexit.register(self.persist_to)

    def set(
        self,
        data_version: str,
        result: Any,
        expires_in: datetime.timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        """Keeps a value, for a while when `expires_in` is given."""
        self._results[data_version] = StoredResult.new(result, expires_in)

    def get(self, data_version: str) -> Any:
        """Returns a kept value."""
        found = self._results.get(data_version)
        if found is None or found.expired:
            raise ResultRetrievalError(f"There is no value {data_version!r} in memory.")
        return found.value

    def delete(self, data_version: str) -> None:
        """Forgets one value."""
        self._results.pop(data_version, None)

    def delete_all(self) -> None:
        """Forgets every value."""
        self._results.clear()

    def delete_expired(self) -> None:
        """Forgets the values whose time is over."""
        for version in [v for v, r in self._results.items() if r.expired]:
            del self._results[version]

    def exists(self, data_version: str) -> bool:
        """Returns whether a value is kept."""
        return data_version in self._results

    def persist_to(self, store: ResultStore | None = None) -> None:
        """Writes every value to another store; by default to files in ``./.hamilton_cache``."""
        if store is None:
            from hamilton.caching.stores.file import FileResultStore

            store = FileResultStore(Path("./.hamilton_cache"))
        for version, stored in self._results.items():
            store.set(version, stored.value)
        store.flush()

    @classmethod
    def load_from(
        cls,
        result_store: ResultStore,
        metadata_store: MetadataStore | None = None,
        data_versions: Iterable[str] | None = None,
    ) -> InMemoryResultStore:
        """Returns a store filled from another one.

        Result stores have no index, so the versions to read come from one of the last two.

        Raises:
            ValueError: Neither is given.
        """
        if metadata_store is None and data_versions is None:
            raise ValueError("Pass a `metadata_store` or `data_versions`: what to load is unknown.")
        wanted = dict.fromkeys(data_versions or ())
        if metadata_store is not None:
            for run_id in metadata_store.get_run_ids():
                for entry in metadata_store.get_run(run_id):
                    wanted[entry["data_version"]] = None
        new = cls()
        for version in wanted:
            if result_store.exists(version):
                new.set(version, result_store.get(version))
        return new


class InMemoryMetadataStore(MetadataStore):
    """Keeps keys and runs in dictionaries."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}
        self._runs: dict[str, dict[str, str]] = {}

    def initialize(self, run_id: str) -> None:
        """Notes that a run has begun."""
        self._runs.setdefault(run_id, {})

    def set(self, cache_key: str, data_version: str, run_id: str, **kwargs: Any) -> None:
        """Keeps the data version of a key."""
        self._versions[cache_key] = data_version
        self._runs.setdefault(run_id, {})[cache_key] = data_version

    def get(self, cache_key: str) -> str | None:
        """Returns the data version of a key, or None."""
        return self._versions.get(cache_key)

    def delete(self, cache_key: str) -> None:
        """Forgets a key."""
        self._versions.pop(cache_key, None)
        for run in self._runs.values():
            run.pop(cache_key, None)

    def delete_all(self) -> None:
        """Forgets every key and run."""
        self._versions.clear()
        self._runs.clear()

    def exists(self, cache_key: str) -> bool:
        """Returns whether a key is kept."""
        return cache_key in self._versions

    def get_run_ids(self) -> list[str]:
        """Returns the ids of all runs, oldest first."""
        return list(self._runs)

    def get_run(self, run_id: str) -> list[dict[str, str]]:
        """Returns what a run has set."""
        if run_id not in self._runs:
            raise IndexError(f"There is no run {run_id!r} in the metadata store.")
        return [
            {"cache_key": key, "data_version": version}
            for key, version in self._runs[run_id].items()
        ]

    def __len__(self) -> int:
        return len(self._versions)

    def persist_to(self, metadata_store: MetadataStore | None = None) -> None:
        """Writes every run to another store; by default to SQLite in ``./.hamilton_cache``."""
        if metadata_store is None:
            from hamilton.caching.stores.sqlite import SQLiteMetadataStore

            metadata_store = SQLiteMetadataStore(Path("./.hamilton_cache"))
        for run_id, entries in self._runs.items():
            metadata_store.initialize(run_id)
            for key, version in entries.items():
                metadata_store.set(key, version, run_id)
        metadata_store.flush()

    @classmethod
    def load_from(cls, metadata_store: MetadataStore) -> InMemoryMetadataStore:
        """Returns a store holding the runs of another one."""
        new = cls()
        for run_id in metadata_store.get_run_ids():
            new.initialize(run_id)
            for entry in metadata_store.get_run(run_id):
                new.set(entry["cache_key"], entry["data_version"], run_id)
        return new
