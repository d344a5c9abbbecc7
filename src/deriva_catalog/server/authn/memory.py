"""What was looked up a moment ago, so that the next request need not look again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["ShortMemory"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ShortMemory(Generic[K, V]):
    """A bounded number of values, each for a short time. Usable from many threads.

    Time is that of `time.monotonic`: setting the machine's clock changes nothing.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._held: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._era = 0

    @property
    def era(self) -> int:
        """A number that changes when something is dropped."""
        return self._era

    def get(self, key: K) -> V | None:
        """The value, unless it is not there or its time is over."""
        found = self._held.get(key)  # one operation, which needs no lock
        if found is None or found[0] <= time.monotonic():
            return None
        return found[1]

    def put(self, key: K, value: V, seconds: float, era: int) -> None:
        """Keep a value for so many seconds; the one that was kept first has to go if need be.

        `era` is that of before it was looked up: when something was dropped since, the value may
        be older than that, and is not kept.
        """
        with self._lock:
            if era != self._era:
                return
            self._held.pop(key, None)
            self._held[key] = (time.monotonic() + seconds, value)
            while len(self._held) > self._size:
                self._held.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget a value."""
        with self._lock:
            self._era += 1
            self._held.pop(key, None)
