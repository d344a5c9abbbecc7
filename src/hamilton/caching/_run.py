"""What the cache knows about one run."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hamilton.caching.behavior import CachingBehavior
from hamilton.caching.events import CachingEvent

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["NEVER_HITS", "CacheRun"]

# Beginnings of data versions below which nothing is ever read back.
NEVER_HITS = ("<disable>_", "<unhashable>_")


class CacheRun:
    """Versions, keys and events of a run."""

    def __init__(
        self,
        run_id: str,
        behaviors: dict[str, CachingBehavior],
        code_versions: dict[str, str],
        graph: FunctionGraph | None,
        final_vars: tuple[str, ...],
    ) -> None:
        self.run_id = run_id
        self.behaviors = behaviors
        self.code_versions = code_versions
        self.graph = graph
        self.final_vars = final_vars
        self.inputs: frozenset[str] = frozenset()
        self.overrides: frozenset[str] = frozenset()
        self.data_versions: dict[tuple[str, str | None], str] = {}
        self.cache_keys: dict[tuple[str, str | None], str] = {}
        # Versions of the values that nodes gave, by identity; valid while the run lasts, since a
        # node's value lives until its dependents have it, and a later value of the same node at
        # the same address replaces the entry.
        self.produced: dict[tuple[str, int], str] = {}
        self.events: list[CachingEvent] = []
        self.retrieved: set[str] = set()
        self.warned: set[str] = set()
        self.finished = False
        self.path_versioned = False

    def record(self, name: str, task_id: str | None, version: str, *value: Any) -> None:
        """Notes the version of a node's value, and of the value itself when it is given."""
        self.data_versions[name, task_id] = version
        if value:
            self.produced[name, id(value[0])] = version

    def recorded(self, name: str, task_id: str | None) -> str | None:
        """Returns the version of a node's value in the task, else in the run as a whole."""
        return self.data_versions.get((name, task_id)) or self.data_versions.get((name, None))

    @staticmethod
    def ignored_version(dependencies: Mapping[str, str]) -> str:
        """Returns the version of an ignored node: that of what it takes."""
        if not dependencies:
            return "<ignore>"
        text = ",".join(f"{n}={v}" for n, v in sorted(dependencies.items()))
        if any(v.startswith(NEVER_HITS) for v in dependencies.values()):
            return f"{NEVER_HITS[0]}{uuid.uuid4()}"
        return f"<ignore>_{hashlib.sha256(text.encode()).hexdigest()}"

    def version_of_ignored(self, name: str, task_id: str | None) -> str:
        """Returns the version of an ignored node; over all tasks when it ran in several."""
        if name in self.inputs or name in self.overrides:
            return "<ignore>"
        found = self.recorded(name, task_id)
        if found is not None:
            return found
        several = sorted((t or "", v) for (n, t), v in self.data_versions.items() if n == name)
        if several:
            return self.ignored_version({f"{i}": v for i, (_, v) in enumerate(several)})
        # It ran in another process, so what it took is not known here.
        return f"{NEVER_HITS[0]}{uuid.uuid4()}"

    @staticmethod
    def by_name(found: Mapping[tuple[str, str | None], str]) -> dict[Any, str]:
        """Returns a mapping with plain names as keys outside tasks."""
        return {(n if t is None else (n, t)): v for (n, t), v in found.items()}

    def finish(self) -> None:
        """Lets go of what only matters while the run lasts."""
        self.finished = True
        self.produced.clear()

    def for_worker(self) -> CacheRun:
        """Returns what a worker process needs to know of the run."""
        special: dict[str, CachingBehavior] = {
            n: b for n, b in self.behaviors.items() if b is not CachingBehavior.DEFAULT
        }
        run = CacheRun(self.run_id, special, dict(self.code_versions), None, self.final_vars)
        run.inputs, run.overrides = self.inputs, self.overrides
        run.data_versions = {k: v for k, v in self.data_versions.items() if k[0] in special}
        return run
