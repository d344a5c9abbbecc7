"""Lists that say what they hold: a real list with a `description`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hydra_zen import builds

from ..core.html_tables import cell, rows_html
from ..core.omega import plain

__all__ = ["DescribedList", "with_description"]


class DescribedList(list[Any]):
    """A list with a text about it; in every other way a list."""

    def __init__(self, items: Iterable[Any] | None = None, description: str = "") -> None:
        super().__init__(() if items is None else plain(items))
        self.description = description

    def _repr_html_(self) -> str:
        listed = rows_html((f"{len(self)} entries",), ((item,) for item in self))
        return f"<div>{cell(self.description)}{listed}</div>"

    def __repr__(self) -> str:
        return f"DescribedList({super().__repr__()}, description={self.description!r})"


def with_description(items: Iterable[Any], description: str) -> Any:
    """Return the configuration of a `DescribedList`, to be kept in a store.

    Args:
        items: RIDs, `DatasetSpecConfig`s, `AssetRIDConfig`s and the like; may be empty.
        description: What they are, where they come from and when to use them.
    """
    return builds(DescribedList, items=list(items), description=description)
