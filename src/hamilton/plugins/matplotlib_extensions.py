"""matplotlib: saving figures."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection
from os import PathLike
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hamilton.io.data_adapters import DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import get_file_metadata
from hamilton.registry import register_adapter

__all__ = ["MatplotlibWriter"]


@dataclasses.dataclass
class MatplotlibWriter(DataSaver):
    """Saves a figure, or the figure of axes or of a scikit-learn display, to an image file.

    A display that has not been plotted yet is plotted for it.

    Attributes:
        path: The file; its suffix is the format unless `format` is given.
    """

    path: str | PathLike[str]
    dpi: float | str | None = None
    format: str | None = None
    metadata: dict[str, Any] | None = None
    bbox_inches: Any = None
    pad_inches: float | None = None
    facecolor: Any = None
    edgecolor: Any = None
    transparent: bool | None = None
    backend: str | None = None

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns figures and axes."""
        return [Figure, Axes]

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns whether the type is a figure, axes, or a display that holds a figure."""
        if not isinstance(type_, type):
            return False
        return issubclass(type_, (Figure, Axes)) or type_.__module__.startswith("sklearn.")

    @classmethod
    def name(cls) -> str:
        """Returns ``plt``."""
        return "plt"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the image."""
        figure = data if isinstance(data, Figure) else _figure_of(data)
        options = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "path" and getattr(self, field.name) is not None
        }
        with atomic_path(self.path) as draft:
            figure.savefig(draft, **options)
        return get_file_metadata(self.path)


def _figure_of(data: Any) -> Figure:
    holder = data if hasattr(data, "figure_") else getattr(data, "figure", None)
    figure = getattr(holder, "figure_", holder)
    if figure is None and hasattr(data, "plot"):
        # A display that has not been plotted yet. The copy keeps the caller's as it is.
        figure = Figure()
        copy.copy(data).plot(ax=figure.subplots())
    if not isinstance(figure, Figure):
        raise ValueError(f"{type(data).__name__} holds no figure; plot it before saving it.")
    return figure


register_adapter(MatplotlibWriter)
