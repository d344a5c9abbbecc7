"""Features: values about rows, with the execution that made each."""

from __future__ import annotations

from .definition import Feature
from .record import FeatureRecord, Selector, reduce_with_selector

__all__ = ["Feature", "FeatureRecord", "Selector", "reduce_with_selector"]
