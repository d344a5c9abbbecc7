"""Catalogs of typed tables, rows with history, and objects: embedded or served.

Quick start::

    from deriva_catalog import connect

    catalog = connect("localhost", "digits")          # this machine's own, in process
    image = catalog.path.digits.Image
    image.filter(image.Length > 1000).entities().fetch(limit=10)
    catalog.at("2026-11-01T00:00:00Z").path.digits.Image.entities().fetch()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalog import connect as connect
    from .catalog import create_catalog as create_catalog

__all__ = ["connect", "create_catalog"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".catalog", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
