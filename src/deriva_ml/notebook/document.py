"""The file of a notebook, read before it is run: cells, and how it gets its configuration."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.exceptions import DerivaMLConfigurationError

__all__ = ["INSTALL", "ConfigurationCall", "Document", "parsed", "read_notebook"]

INSTALL = "pip install 'derivaml[notebook]'"
"""What installs the packages that run notebooks."""

_CALL = "run_notebook"
_OTHER_READERS = ("get_notebook_configuration", "DERIVA_ML_HYDRA_OVERRIDES")


@dataclass(frozen=True, slots=True)
class ConfigurationCall:
    """How a notebook calls `run_notebook`, as far as its text tells.

    Attributes:
        name: The configuration that it names; None means that of the file's name.
        package: The package that stores configurations.
        overrides: The words that it gives itself; None when the text does not tell them.
        own_class: Whether it brings a class for the connection.
        known: Whether the text tells which configuration is meant.
    """

    name: str | None = None
    package: str = "configs"
    overrides: tuple[str, ...] | None = ()
    own_class: bool = False
    known: bool = True


class Document:
    """A notebook that was read and is valid.

    Attributes:
        path: Its file.
        node: Its content, as `nbformat` represents it in version 4.
    """

    def __init__(self, path: Path, node: Any) -> None:
        self.path = path
        self.node = node

    @property
    def code_cells(self) -> list[Any]:
        """The cells with code, in order."""
        return [cell for cell in self.node.cells if cell.cell_type == "code"]

    def tagged(self, tag: str) -> list[Any]:
        """The cells with code that have a tag."""
        return [c for c in self.code_cells if tag in c.metadata.get("tags", [])]

    @property
    def language(self) -> str:
        """The language of the cells; Python where the notebook does not say."""
        about = self.node.metadata
        name = about.get("kernelspec", {}).get("language")
        return str(name or about.get("language_info", {}).get("name") or "python").lower()

    @property
    def kernel_name(self) -> str | None:
        """The kernel that the notebook was last saved with."""
        name = self.node.metadata.get("kernelspec", {}).get("name")
        return str(name) if name else None

    @cached_property
    def reads_overrides(self) -> bool:
        """Whether anything in the notebook takes the overrides of the command."""
        source = "\n".join(cell.source for cell in self.code_cells)
        return any(word in source for word in (_CALL, *_OTHER_READERS))

    def configuration_call(self, values: Mapping[str, Any]) -> ConfigurationCall | None:
        """The first call of `run_notebook`; None where there is none.

        Args:
            values: Values of variables that the call may name: the notebook's parameters.
        """
        for cell in self.code_cells:
            for call in _calls(cell.source):
                return _described(call, values)
        # Such as one that a magic times.
        hidden = any(f"{_CALL}(" in cell.source for cell in self.code_cells)
        return ConfigurationCall(overrides=None, known=False) if hidden else None


def read_notebook(path: Path) -> Document:
    """Read the file of a notebook.

    Raises:
        DerivaMLConfigurationError: There is none, it is not a notebook, or `nbformat` is missing.
    """
    shown = str(path)
    if path.suffix != ".ipynb":
        raise DerivaMLConfigurationError(
            f"{shown!r} is not the file of a notebook: its name does not end in '.ipynb'."
        )
    if not path.is_file():
        near = [p.name for p in sorted(path.parent.glob("*.ipynb"))[:10]] if path.parent else []
        beside = f" Beside it there are: {', '.join(near)}." if near else ""
        raise DerivaMLConfigurationError(f"There is no notebook {shown!r}.{beside}")
    try:
        import nbformat
        from nbformat.reader import NotJSONError
        from nbformat.validator import NotebookValidationError
    except ModuleNotFoundError as error:
        raise DerivaMLConfigurationError(
            f"Notebooks cannot be run, because {error.name} is missing: {INSTALL}"
        ) from error
    try:
        text = path.read_text(encoding="utf-8")
        node: Any = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(node)
    except (
        NotJSONError,
        NotebookValidationError,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
    ) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DerivaMLConfigurationError(f"{shown!r} is not a valid notebook: {why}") from error
    except OSError as error:
        raise DerivaMLConfigurationError(f"{shown!r} cannot be read: {error}.") from error
    return Document(path, node)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of a cell, whose magics count as calls; None where it has none."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        manager: Any = TransformerManager()  # type: ignore[no-untyped-call]
        return ast.parse(str(manager.transform_cell(source)))
    except SyntaxError:
        return None


def _calls(source: str) -> Iterator[ast.Call]:
    tree = parsed(source) if _CALL in source else None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name == _CALL:
                yield node


def _described(call: ast.Call, values: Mapping[str, Any]) -> ConfigurationCall:
    order = ("config_name", "overrides", "workflow_name", "workflow_type", "ml_class")
    given: dict[str, ast.expr] = dict(zip(order, call.args, strict=False))
    given |= {word.arg: word.value for word in call.keywords if word.arg is not None}
    open_ended = any(word.arg is None for word in call.keywords)
    name, name_known = _literal(given.get("config_name"), values)
    words, words_known = _literal(given.get("overrides"), values)
    package, package_known = _literal(given.get("config_package"), values)
    listed = isinstance(words, list | tuple) and all(isinstance(w, str) for w in words)
    return ConfigurationCall(
        name if isinstance(name, str) else None,
        package if isinstance(package, str) else "configs",
        (tuple(words) if listed else ()) if words_known and (listed or words is None) else None,
        "ml_class" in given or open_ended,
        name_known and package_known and not open_ended,
    )


def _literal(node: ast.expr | None, values: Mapping[str, Any]) -> tuple[Any, bool]:
    """The value of an argument, and whether the text tells it."""
    if node is None:
        return None, True
    if isinstance(node, ast.Name):
        return values.get(node.id), node.id in values
    try:
        return ast.literal_eval(node), True
    except (ValueError, TypeError, SyntaxError):
        return None, False
