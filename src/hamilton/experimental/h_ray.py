"""Deprecated place of `hamilton.plugins.h_ray`."""

from __future__ import annotations

from hamilton.experimental import moved
from hamilton.plugins.h_ray import RayGraphAdapter, RayTaskExecutor

__all__ = ["RayGraphAdapter", "RayTaskExecutor"]

moved("h_ray", "hamilton.plugins.h_ray")
