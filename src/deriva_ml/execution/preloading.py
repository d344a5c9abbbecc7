"""Importing what runs use, before their functions make garbage of their own."""

from __future__ import annotations

import importlib

from deriva_catalog.loading import loading

__all__ = ["load_what_runs_use"]

_OF_RUNS = ("deriva_ml.core.base", "deriva_ml.execution.execution", "deriva_catalog.catalog.local")


def load_what_runs_use() -> None:
    """Import it; garbage is collected as ever afterwards, see `deriva_catalog.loading`."""
    with loading():
        for name in _OF_RUNS:
            importlib.import_module(name)
