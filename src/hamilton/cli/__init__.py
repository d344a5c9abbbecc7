"""The ``hamilton`` command: builds, checks, compares, draws and versions dataflows."""

from __future__ import annotations

from hamilton.cli.main import main

__all__ = ["main"]
