"""The contracts of the stores, and the form in which values are kept."""

from __future__ import annotations

import abc
import datetime
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MetadataStore",
    "ResultRetrievalError",
    "ResultStore",
    "StoredResult",
    "search_data_adapter_registry",
]


class ResultRetrievalError(Exception):
    """A stored value cannot be read back; the cache takes it as a miss."""


class ResultStore(abc.ABC):
    """Keeps values by data version."""

    @abc.abstractmethod
    def set(self, data_version: str, result: Any, **kwargs: Any) -> None:
        """Keeps a value; one that is there already is replaced."""

    @abc.abstractmethod
    def get(self, data_version: str) -> Any:
        """Returns a kept value.

        Raises:
            ResultRetrievalError: It is absent, expired or damaged.
        """

    @abc.abstractmethod
    def delete(self, data_version: str) -> None:
        """Forgets one value; one that is absent is no error."""

    @abc.abstractmethod
    def delete_all(self) -> None:
        """Forgets every value."""

    @abc.abstractmethod
    def exists(self, data_version: str) -> bool:
        """Returns whether a value is kept."""

    def flush(self) -> None:
        """Makes everything set so far visible to other processes."""
        return


class MetadataStore(abc.ABC):
    """Keeps the data version of each cache key, and which run set it."""

    @abc.abstractmethod
    def initialize(self, run_id: str) -> None:
        """Notes that a run has begun."""

    @abc.abstractmethod
    def set(self, cache_key: str, data_version: str, run_id: str, **kwargs: Any) -> None:
        """Keeps the data version of a key."""

    @abc.abstractmethod
    def get(self, cache_key: str) -> str | None:
        """Returns the data version of a key, or None."""

    @abc.abstractmethod
    def delete(self, cache_key: str) -> None:
        """Forgets a key; one that is absent is no error."""

    @abc.abstractmethod
    def delete_all(self) -> None:
        """Forgets every key and run."""

    @abc.abstractmethod
    def exists(self, cache_key: str) -> bool:
        """Returns whether a key is kept."""

    @abc.abstractmethod
    def get_run_ids(self) -> list[str]:
        """Returns the ids of all runs, oldest first."""

    @abc.abstractmethod
    def get_run(self, run_id: str) -> list[dict[str, str]]:
        """Returns ``{"cache_key", "data_version", ...}`` of every key a run has set.

        Raises:
            IndexError: The run is unknown.
        """

    @abc.abstractmethod
    def __len__(self) -> int:
        """Returns the number of keys."""

    @property
    def size(self) -> int:
        """The number of keys."""
        return len(self)

    @property
    def last_run_id(self) -> str | None:
        """The id of the newest run, or None."""
        runs = self.get_run_ids()
        return runs[-1] if runs else None

    def get_last_run(self) -> list[dict[str, str]]:
        """Returns what the newest run has set.

        Raises:
            IndexError: There is no run.
        """
        run_id = self.last_run_id
        if run_id is None:
            raise IndexError("The metadata store has no run yet.")
        return self.get_run(run_id)

    def flush(self) -> None:
        """Makes everything set so far visible to other processes."""
        return


@dataclass
class StoredResult:
    """A value with the time after which it no longer counts, and how it is kept outside.

    Attributes:
        value: The value.
        expires_at: Seconds since the epoch, or None.
        saver: A data saver that has written the value, with its loader; both or neither.
        loader: Reads the value back.
        seal: Hash of what the saver wrote, or None.
    """

    value: Any
    expires_at: float | None = None
    saver: Any = None
    loader: Any = None
    seal: str | None = None

    @classmethod
    def new(
        cls,
        value: Any,
        expires_in: datetime.timedelta | None = None,
        saver: Any = None,
        loader: Any = None,
        seal: str | None = None,
    ) -> StoredResult:
        """Returns a result that expires after a while; never when `expires_in` is None.

        Raises:
            ValueError: A saver without a loader, or the reverse.
        """
        if (saver is None) != (loader is None):
            raise ValueError("Pass both `saver` and `loader`, or neither.")
        expires_at = None
        if expires_in is not None:
            expires_at = (datetime.datetime.now(datetime.UTC) + expires_in).timestamp()
        return cls(value, expires_at, saver, loader, seal)

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self._now() >= self.expires_at

    @property
    def expires_in(self) -> float:
        """Seconds left, or -1 when it does not expire."""
        return -1 if self.expires_at is None else self.expires_at - self._now()

    @staticmethod
    def _now() -> float:
        return datetime.datetime.now(datetime.UTC).timestamp()


def search_data_adapter_registry(name: str, type_: type) -> tuple[Any, Any]:
    """Returns the saver and the loader class registered under a key for a type.

    Raises:
        KeyError: One of them is missing.
    """
    from hamilton import registry

    found = []
    for kind in ("savers", "loaders"):
        matching = [c for c in registry.load_all_for(kind, name) if c.applies_to(type_)]
        if not matching:
            raise KeyError(
                f"None of the {kind} {name!r} is for {type_!r}; a cache format needs both a saver "
                "and a loader."
            )
        found.append(matching[-1])
    return found[0], found[1]
