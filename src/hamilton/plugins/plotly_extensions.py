"""plotly: saving figures as images and as pages."""

from __future__ import annotations

import importlib.util
from functools import partial
from os import PathLike
from typing import Any

import plotly.io
from plotly.basedatatypes import BaseFigure

from hamilton.errors import MaterializationError
from hamilton.io.utils import get_file_metadata
from hamilton.plugins._mirrored import MirroredWriter, file_kind, mirrored
from hamilton.plugins._shipping import missing_library
from hamilton.registry import register_adapter

__all__ = ["PlotlyInteractiveWriter", "PlotlyStaticWriter"]


class _FigureWriter(MirroredWriter):
    def _metadata(self, data: Any, rows: Any) -> dict[str, Any]:
        """Returns what is known of the file; a figure has no rows."""
        target = self._target()
        return get_file_metadata(target) if isinstance(target, (str, PathLike)) else {}


class _ImageWriter(_FigureWriter):
    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the image.

        Raises:
            ImportError: kaleido, which makes the images, is not installed.
            MaterializationError: kaleido cannot work, as when there is no browser.
        """
        if importlib.util.find_spec("kaleido") is None:
            raise missing_library("kaleido", "'derivaml[plots]'")
        try:
            return super().save_data(data)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise MaterializationError(
                f"The figure cannot be drawn to {str(self._target())!r}: {reason} Install Chrome "
                "or Chromium, or save the figure as a page with to.html."
            ) from error


# The first parameter is the figure, which a method has as self.
PlotlyStaticWriter = mirrored(
    file_kind("plotly", "PlotlyStaticWriter", "write_image", "file", "path", BaseFigure),
    _ImageWriter,
    partial(plotly.io.write_image, None),
    __name__,
)
PlotlyInteractiveWriter = mirrored(
    file_kind("html", "PlotlyInteractiveWriter", "write_html", "file", "path", BaseFigure),
    _FigureWriter,
    partial(plotly.io.write_html, None),
    __name__,
)
register_adapter(PlotlyStaticWriter)
register_adapter(PlotlyInteractiveWriter)
