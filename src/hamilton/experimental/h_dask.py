"""Deprecated place of `hamilton.plugins.h_dask`."""

from __future__ import annotations

from hamilton.experimental import moved
from hamilton.plugins.h_dask import DaskDataFrameResult, DaskExecutor, DaskGraphAdapter

__all__ = ["DaskDataFrameResult", "DaskExecutor", "DaskGraphAdapter"]

moved("h_dask", "hamilton.plugins.h_dask")
