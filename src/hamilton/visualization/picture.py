"""A picture of a dataflow: shown by notebooks, written to files."""

from __future__ import annotations

import os
import warnings
import webbrowser
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hamilton.visualization.dot import DrawingError, dot_program, render_dot, to_dot
from hamilton.visualization.drawing import Drawing
from hamilton.visualization.svg import to_svg
from hamilton.visualization.text import to_html, to_mermaid, to_text

__all__ = ["DrawingError", "Picture", "default_format", "save_picture"]

_DOT_SUFFIXES = (".dot", ".gv")
_TEXT_FORMATS = ("dot", "gv", "mmd", "html", "txt")


class Picture:
    """A drawing that can be shown and saved.

    Args:
        drawing: What is on it.
    """

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing

    @cached_property
    def source(self) -> str:
        """The picture as dot text."""
        return to_dot(self.drawing)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG: by graphviz where it is installed, else by the built-in writer."""
        if dot_program() is not None:
            return render_dot(self.source, "svg").decode()
        return to_svg(self.drawing)

    @property
    def mermaid(self) -> str:
        """The picture as a Mermaid flow chart."""
        return to_mermaid(self.drawing)

    @property
    def text(self) -> str:
        """The picture as lines for a terminal."""
        return to_text(self.drawing)

    @property
    def html(self) -> str:
        """The picture as a page of its own, with a field to search in."""
        return to_html(self.drawing)

    def pipe(self, format: str = "svg") -> bytes:
        """Returns the picture in a format: svg, dot, gv, mmd, html, txt, or any of graphviz.

        Raises:
            DrawingError: The format needs graphviz, which is not installed.
        """
        if format in ("dot", "gv"):
            return self.source.encode()
        texts = {"mmd": "mermaid", "html": "html", "txt": "text", "svg": "svg"}
        if format in texts:
            return str(getattr(self, texts[format])).encode()
        return render_dot(self.source, format)

    def render(
        self, filename: str | os.PathLike[str], format: str | None = None, view: bool = False
    ) -> str:
        """Writes ``<filename>.<format>`` and returns that name; `view` opens it.

        Raises:
            DrawingError: The format needs graphviz, which is not installed.
        """
        chosen = format or default_format()
        path = Path(f"{os.fspath(filename)}.{chosen}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.pipe(chosen))
        if view:
            webbrowser.open(path.absolute().as_uri())
        return str(path)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto">{self.svg}</div>'

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None, **kwargs: Any
    ) -> dict[str, str]:
        found = {"image/svg+xml": self.svg, "text/plain": self.text}
        if include:
            found = {k: v for k, v in found.items() if k in include}
        return {k: v for k, v in found.items() if not exclude or k not in exclude}

    def __str__(self) -> str:
        return self.source


def default_format() -> str:
    """Returns ``png`` where graphviz is installed, else ``svg``."""
    return "png" if dot_program() is not None else "svg"


def save_picture(
    picture: Picture,
    output_file_path: str | os.PathLike[str] | None,
    render_kwargs: Mapping[str, Any] | None,
    keep_dot: bool,
) -> Picture:
    """Writes a picture where it was asked for, and returns it.

    The format is ``render_kwargs["format"]``, else the suffix of the path, else `default_format`.
    A path ending in ``.dot`` or ``.gv`` gets the dot text, with an image beside it.

    Raises:
        DrawingError: A format was asked for that needs graphviz, which is not installed.
    """
    if output_file_path is None:
        return picture
    wanted = dict(render_kwargs or {})
    path = Path(output_file_path)
    view = bool(wanted.pop("view", False))
    format = wanted.pop("format", None)
    if wanted:
        warnings.warn(
            f"render_kwargs {sorted(wanted)} have no effect; known are 'format' and 'view'.",
            stacklevel=3,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in _DOT_SUFFIXES:
        path.write_text(picture.source)
        if format not in _TEXT_FORMATS[:2]:
            picture.render(path, format, view)
        return picture
    stem = path.with_suffix("")
    if keep_dot:
        stem.with_suffix(".dot").write_text(picture.source)
    picture.render(stem, format or path.suffix.lstrip(".") or None, view)
    return picture
