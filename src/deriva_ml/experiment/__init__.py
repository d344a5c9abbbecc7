"""Experiments: executions with the configuration that they ran with, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core._lazy import lazy_names

if TYPE_CHECKING:
    from .compare import compare_experiments
    from .experiment import Experiment

__all__ = ["Experiment", "compare_experiments"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {".compare": ("compare_experiments",), ".experiment": ("Experiment",)},
)
