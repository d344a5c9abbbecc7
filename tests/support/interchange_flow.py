"""A dataflow of two functions."""

from __future__ import annotations


def doubled(rate: float) -> float:
    """Twice the rate."""
    return rate * 2


def model(doubled: float, seed: int = 3) -> dict[str, float]:
    """A model."""
    if doubled < 0:
        raise ValueError("A rate is positive.")
    return {"weight": doubled, "seed": float(seed)}
