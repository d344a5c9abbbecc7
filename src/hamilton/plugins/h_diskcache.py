"""The older cache on diskcache. `Builder.with_cache` has taken its place."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from hamilton.caching.code_version import node_code_version
from hamilton.caching.fingerprint import NotFingerprintable, fingerprint
from hamilton.lifecycle.base import BaseDoNodeExecute, BasePreGraphExecute
from hamilton.node import Node, NodeType
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    from hamilton.driver import Driver
    from hamilton.graph import FunctionGraph

__all__ = ["DiskCacheAdapter", "evict_all_except_driver"]

logger = logging.getLogger(__name__)

_Key = tuple[str, str, str]  # the node, the version of its code, the fingerprint of its inputs


class DiskCacheAdapter(BasePreGraphExecute, BaseDoNodeExecute):
    """Deprecated: keeps what nodes return on disk, by their code and their arguments.

    Asynchronous nodes and those that open a parallel block always run, as do nodes with an
    argument of which no fingerprint can be made.

    Args:
        cache_vars: Names of the nodes to keep; None keeps all.
        cache_path: The folder.
        **options: Further arguments of ``diskcache.Cache``.

    Raises:
        ImportError: diskcache is not installed.
    """

    def __init__(
        self,
        cache_vars: Collection[str] | None = None,
        cache_path: str | os.PathLike[str] = ".",
        **options: Any,
    ) -> None:
        try:
            import diskcache
        except ImportError:
            raise missing_library("diskcache", "'derivaml[observing]'") from None
        warnings.warn(
            "DiskCacheAdapter is deprecated; use driver.Builder().with_cache().",
            DeprecationWarning,
            stacklevel=2,
        )
        self.cache_vars = None if cache_vars is None else frozenset(cache_vars)
        self.cache = diskcache.Cache(os.fspath(cache_path), **options)
        self._versions: dict[str, str] = {}

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Notes the versions of the nodes, before other adapters wrap them."""
        self._versions = _versions(graph)

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the kept value, or computes and keeps it."""
        if not self._keeps(node_):
            return node_.callable(**kwargs)
        try:
            key: _Key = (node_.name, self._versions[node_.name], fingerprint(kwargs))
        except NotFingerprintable as error:
            logger.info("Node %r is not cached: %s", node_.name, error)
            return node_.callable(**kwargs)
        missing = object()
        value = self.cache.get(key, default=missing)
        if value is missing:
            value = node_.callable(**kwargs)
            self.cache.set(key, value)
        return value

    def _keeps(self, node: Node) -> bool:
        wanted = self.cache_vars is None or node.name in self.cache_vars
        return wanted and not node.is_async and node.node_role is not NodeType.EXPAND


def evict_all_except_driver(dr: Driver) -> dict[str, int]:
    """Removes what no node of a driver, as its code is now, would be looked up by.

    Returns:
        How many values were ``evicted`` and ``kept``.

    Raises:
        ValueError: The driver has no `DiskCacheAdapter`.
    """
    found = [a for a in dr.adapter.adapters if isinstance(a, DiskCacheAdapter)]
    if not found:
        raise ValueError("The driver has no DiskCacheAdapter among its adapters.")
    cache = found[0].cache
    current = set(_versions(dr.graph).items())
    gone = [key for key in cache.iterkeys() if tuple(key[:2]) not in current]
    for key in gone:
        cache.delete(key)
    return {"evicted": len(gone), "kept": len(cache)}


def _versions(graph: FunctionGraph) -> dict[str, str]:
    return {
        name: node_code_version(node) for name, node in graph.nodes.items() if not node.user_defined
    }
