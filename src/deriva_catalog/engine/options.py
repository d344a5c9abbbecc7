"""How rows are to be inserted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Options:
    """How an insertion treats defaults and collisions; see `Catalog.insert`."""

    defaults: frozenset[str] = frozenset()
    nondefaults: frozenset[str] = frozenset()
    on_conflict: Literal["skip"] | None = None
    recorded: bool = False
