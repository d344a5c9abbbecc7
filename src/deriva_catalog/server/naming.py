"""What the names of catalogs stand for, remembered for a moment.

Each request names a catalog, and the registry is a database that other processes change too. So
what was found there is reused for a fraction of a second only; and who deletes a catalog or
moves an alias in a service of several processes waits just as long before saying that it is
done. After the answer, therefore, no process of the service still acts on what was before.
"""

from __future__ import annotations

import threading
import time

from ..catalog.registry import Registered, Registry
from ..errors import NotFound

__all__ = ["Names"]

_KEPT = 4096


class Names:
    """A registry's names and catalogs, at most `seconds` old.

    `shared` says that other processes of the service remember them, too.
    """

    def __init__(self, registry: Registry, seconds: float, *, shared: bool) -> None:
        self._registry = registry
        self._seconds = seconds
        self._shared = shared
        self._lock = threading.Lock()
        self._changes = 0
        self._known: dict[str, tuple[float, Registered]] = {}

    def find(self, name: str) -> Registered:
        """The catalog with an identifier or alias.

        Raises:
            NotFound: there is none.
            Conflict: the alias is not bound to a catalog.
        """
        known = self._known.get(name)
        now = time.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        changes = self._changes
        found = self._found(name)
        with self._lock:
            if changes == self._changes:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[name] = (now + self._seconds, found)
        return found

    def _found(self, name: str) -> Registered:
        try:
            return self._registry.find(name)
        except NotFound:  # which names other catalogs, and the place where they are
            raise NotFound(f"There is no catalog {name!r}.", catalog=name) from None

    def changed(self) -> None:
        """Forget everything, after names were changed; returns when all processes have."""
        with self._lock:
            self._changes += 1
            self._known.clear()
        if self._shared:
            time.sleep(self._seconds)
