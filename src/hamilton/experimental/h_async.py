"""Deprecated place of `hamilton.async_driver`."""

from __future__ import annotations

from hamilton.async_driver import AsyncDriver
from hamilton.experimental import moved

__all__ = ["AsyncDriver"]

moved("h_async", "hamilton.async_driver")
