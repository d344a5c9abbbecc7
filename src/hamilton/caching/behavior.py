"""What the cache does with a node: read, compute, keep."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from hamilton.errors import DefinitionError
from hamilton.node import Node, NodeType

__all__ = [
    "BEHAVIOR_TAG",
    "FORMAT_TAG",
    "BehaviorRules",
    "CachingBehavior",
    "is_loader",
    "is_saver",
]

BEHAVIOR_TAG = "cache.behavior"
FORMAT_TAG = "cache.format"

Nodes = Literal[True] | Collection[str] | None


class CachingBehavior(enum.Enum):
    """How a node takes part in caching.

    * DEFAULT: read if known, else compute and keep.
    * RECOMPUTE: always compute, and keep.
    * DISABLE: always compute, never keep; what depends on it is never read back.
    * IGNORE: always compute, never keep; its value and code do not count for what depends on it,
      only what it depends on does.
    """

    DEFAULT = 1
    RECOMPUTE = 2
    DISABLE = 3
    IGNORE = 4

    @classmethod
    def from_string(cls, string: str) -> CachingBehavior:
        """Returns the behaviour of a name, whatever its case.

        Raises:
            KeyError: There is no such behaviour.
        """
        try:
            return cls[string.upper()]
        except KeyError:
            raise KeyError(
                f"{string!r} is no caching behavior; use one of {[b.name.lower() for b in cls]}."
            ) from None


def _of(value: CachingBehavior | str | None) -> CachingBehavior:
    if value is None:
        return CachingBehavior.DEFAULT
    return value if isinstance(value, CachingBehavior) else CachingBehavior.from_string(value)


def is_loader(node: Node) -> bool:
    """Returns whether a node reads data from outside, giving data and metadata."""
    return "hamilton.data_loader" in node.tags and node.tags.get(
        "hamilton.data_loader.has_metadata", True
    ) not in (False, "False")


def is_saver(node: Node) -> bool:
    """Returns whether a node writes data to the outside, giving metadata."""
    return "hamilton.data_saver" in node.tags


@dataclass(frozen=True)
class BehaviorRules:
    """The behaviours given to the driver, and the order in which they win.

    Raises:
        ValueError: Two lists are True, or name the same node.
    """

    default: Nodes = None
    recompute: Nodes = None
    ignore: Nodes = None
    disable: Nodes = None
    default_behavior: CachingBehavior | str | None = None
    default_loader_behavior: CachingBehavior | str | None = None
    default_saver_behavior: CachingBehavior | str | None = None

    def __post_init__(self) -> None:
        lists = self._lists()
        whole = [b.name.lower() for b, names in lists.items() if names is True]
        if len(whole) > 1:
            raise ValueError(
                f"Can only set one of default, recompute, ignore, disable to True; found {whole}."
            )
        for value in (
            self.default_behavior,
            self.default_loader_behavior,
            self.default_saver_behavior,
        ):
            _of(value)
        seen: dict[str, CachingBehavior] = {}
        for behavior, names in lists.items():
            for name in () if names is True or names is None else names:
                if name in seen:
                    raise ValueError(
                        f"Multiple caching behaviors specified by Driver for node: {name} "
                        f"({seen[name].name.lower()} and {behavior.name.lower()})."
                    )
                seen[name] = behavior

    def _lists(self) -> Mapping[CachingBehavior, Nodes]:
        return {
            CachingBehavior.DEFAULT: self.default,
            CachingBehavior.RECOMPUTE: self.recompute,
            CachingBehavior.IGNORE: self.ignore,
            CachingBehavior.DISABLE: self.disable,
        }

    def resolve(self, nodes: Iterable[Node]) -> dict[str, CachingBehavior]:
        """Returns the behaviour of every node.

        Raises:
            ValueError: A tag names no behaviour.
        """
        listed: dict[str, CachingBehavior] = {}
        everything = None
        for behavior, names in self._lists().items():
            if names is True:
                everything = behavior
            elif names is not None:
                listed.update(dict.fromkeys(names, behavior))
        return {n.name: self._one(n, listed, everything) for n in nodes}

    def _one(
        self,
        node: Node,
        listed: Mapping[str, CachingBehavior],
        everything: CachingBehavior | None,
    ) -> CachingBehavior:
        if node.node_role is NodeType.EXPAND:
            return CachingBehavior.RECOMPUTE
        found = listed.get(node.name)
        if found is None:
            # What a loader or saver is split into does as the node it was split from.
            owner = node.tags.get("hamilton.data_loader.node") or node.tags.get(
                "hamilton.data_saver.node"
            )
            found = listed.get(str(owner)) if owner else None
        if found is not None:
            return found
        if node.user_defined:
            return CachingBehavior.DEFAULT
        if everything is not None:
            return everything
        tag = node.tags.get(BEHAVIOR_TAG)
        if tag is not None:
            try:
                return CachingBehavior.from_string(str(tag))
            except KeyError as error:
                raise DefinitionError(
                    f"Node {node.name!r} is tagged with {error.args[0]}",
                    node=node.name,
                    function=node.function,
                ) from error
        if "hamilton.data_loader" in node.tags:
            return _of(self.default_loader_behavior)
        if "hamilton.data_saver" in node.tags:
            return _of(self.default_saver_behavior)
        return _of(self.default_behavior)
