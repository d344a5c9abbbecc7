"""Static validators: rules about what a dataflow may contain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.api import StaticValidator

if TYPE_CHECKING:
    from hamilton.graph_types import HamiltonNode

__all__ = ["DocstringPresent", "NamesMatch", "TagsPresent"]


class DocstringPresent(StaticValidator):
    """Every function has a docstring."""

    def run_to_validate_node(
        self, *, node: HamiltonNode, **future_kwargs: Any
    ) -> tuple[bool, str | None]:
        """Returns whether the node is an input or documented."""
        if node.is_external_input or (node.documentation or "").strip():
            return True, None
        return False, "has no docstring"


class TagsPresent(StaticValidator):
    """Every function carries the given tags.

    Args:
        *keys: Tag keys.
    """

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def run_to_validate_node(
        self, *, node: HamiltonNode, **future_kwargs: Any
    ) -> tuple[bool, str | None]:
        """Returns whether the node is an input or carries every tag."""
        missing = [] if node.is_external_input else [k for k in self.keys if k not in node.tags]
        return (not missing), (f"lacks the tags {missing}" if missing else None)


class NamesMatch(StaticValidator):
    """Every node name matches a regular expression as a whole.

    Args:
        pattern: The expression.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = re.compile(pattern)

    def run_to_validate_node(
        self, *, node: HamiltonNode, **future_kwargs: Any
    ) -> tuple[bool, str | None]:
        """Returns whether the name matches."""
        if self.pattern.fullmatch(node.name):
            return True, None
        return False, f"has a name that does not match {self.pattern.pattern!r}"
