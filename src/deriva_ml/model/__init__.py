"""What the tables of a catalog mean to DerivaML."""

from __future__ import annotations

from .catalog import DerivaModel

__all__ = ["DerivaModel"]
