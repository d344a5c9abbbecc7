"""Deprecated place of `hamilton.plugins.h_spark`."""

from __future__ import annotations

from hamilton.experimental import moved
from hamilton.plugins.h_spark import (
    KoalasDataFrameResult,
    PySparkUDFGraphAdapter,
    SparkKoalasGraphAdapter,
)

__all__ = ["KoalasDataFrameResult", "PySparkUDFGraphAdapter", "SparkKoalasGraphAdapter"]

moved("h_spark", "hamilton.plugins.h_spark")
