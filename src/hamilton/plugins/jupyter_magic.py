"""Notebook magics: cells become modules, are drawn and run.

``%load_ext hamilton.plugins.jupyter_magic`` makes them available.
"""

from __future__ import annotations

import argparse
import ast
import json
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hamilton import ad_hoc_utils, driver

__all__ = ["load_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Registers the magics in a running shell."""
    magics = NotebookMagics(ipython)
    for name, method in magics.cell_magics().items():
        ipython.register_magic_function(method, "cell", name)
    for name, method in magics.line_magics().items():
        ipython.register_magic_function(method, "line", name)


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the kernel."""

    def error(self, message: str) -> Any:
        raise ValueError(f"{self.prog}: {message}")


def _cell_parser() -> _Parser:
    parser = _Parser(prog="%%cell_to_module", add_help=False)
    parser.add_argument("name", nargs="?")
    parser.add_argument("-m", "--module_name", help="old spelling of the name")
    _add_shared(parser)
    parser.add_argument("-x", "--execute", nargs="?", const="")
    parser.add_argument("-i", "--inputs")
    parser.add_argument("-o", "--overrides")
    parser.add_argument("--show_results", action="store_true")
    parser.add_argument("--display_cache", action="store_true")
    return parser


def _incremental_parser() -> _Parser:
    parser = _Parser(prog="%%incr_cell_to_module", add_help=False)
    parser.add_argument("name")
    parser.add_argument("identifier", type=int)
    _add_shared(parser)
    return parser


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-d", "--display", nargs="?", const="")
    parser.add_argument("-b", "--builder")
    parser.add_argument("-c", "--config")
    parser.add_argument("-w", "--write_to_file", nargs="?", const="")


class NotebookMagics:
    """The magics, with the modules they have made.

    Args:
        shell: The running IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._cells: dict[str, dict[int, str]] = {}
        self._sources: dict[str, str] = {}

    def cell_magics(self) -> dict[str, Callable[..., Any]]:
        """Returns the magics of whole cells by name."""
        return {
            "cell_to_module": self.cell_to_module,
            "incr_cell_to_module": self.incr_cell_to_module,
            "set_dict": self.set_dict,
        }

    def line_magics(self) -> dict[str, Callable[..., Any]]:
        """Returns the magics of one line by name."""
        return {
            "print_module": self.print_module,
            "reset_module": self.reset_module,
            "insert_module": self.insert_module,
            "module_to_cell": self.insert_module,
        }

    def cell_to_module(self, line: str, cell: str) -> None:
        """Makes the cell an importable module; draws and runs it when asked."""
        options = _cell_parser().parse_args(shlex.split(line))
        name = options.name or options.module_name
        if not name:
            raise ValueError(
                "%%cell_to_module: give the module a name, as in %%cell_to_module flow"
            )
        dr, module = self._made(name, cell, options)
        self.shell.push({name: module})
        if options.display is not None:
            self._display(dr.display_all_functions)
        if options.execute is not None:
            self._execute(dr, options)

    def incr_cell_to_module(self, line: str, cell: str) -> None:
        """Adds the cell to a module under a number, or replaces the one of that number."""
        options = _incremental_parser().parse_args(shlex.split(line))
        cells = {**self._cells.get(options.name, {}), options.identifier: cell}
        source = "\n\n".join(cells[key] for key in sorted(cells))
        dr, module = self._made(options.name, source, options)
        self._cells[options.name] = cells
        self.shell.push({options.name: module, f"{options.name}_dr": dr})
        if options.display is not None:
            self._display(dr.display_all_functions)

    def _made(
        self, name: str, source: str, options: argparse.Namespace
    ) -> tuple[driver.Driver, ModuleType]:
        config = self._dictionary(options.config or options.display or "")
        module = ad_hoc_utils.module_from_source(source, name)
        self._sources[name] = source
        builder = self._value(options.builder) if options.builder else driver.Builder()
        dr = builder.copy().with_modules(module).with_config(config).build()
        if options.write_to_file is not None:
            Path(options.write_to_file or f"{name}.py").write_text(source)
        return dr, module

    def _execute(self, dr: driver.Driver, options: argparse.Namespace) -> None:
        wanted = self._names(dr, options.execute)
        inputs = self._dictionary(options.inputs or "")
        overrides = self._dictionary(options.overrides or "")
        results = dr.execute(wanted, inputs=inputs, overrides=overrides)
        if isinstance(results, Mapping):
            self.shell.push({str(k).replace(".", "__"): v for k, v in results.items()})
        if options.show_results:
            self._show(results)
        cache = dr.cache
        if options.display_cache and cache is not None:
            self._display(cache.view_run)

    def _names(self, dr: driver.Driver, text: str) -> list[str]:
        """Returns the names to compute: a variable holding them, names, or everything."""
        if not text:
            return [n.name for n in dr.list_available_variables() if not n.is_external_input]
        found = self.shell.user_ns.get(text)
        if isinstance(found, (list, tuple)):
            return [str(name) for name in found]
        return [name for name in text.replace(",", " ").split() if name]

    def _value(self, name: str) -> Any:
        if name not in self.shell.user_ns:
            raise ValueError(f"There is no variable {name!r} in the notebook.")
        return self.shell.user_ns[name]

    def _dictionary(self, text: str) -> dict[str, Any]:
        """Returns a dictionary given as a variable's name, ``key=value`` or JSON."""
        if not text:
            return {}
        if text.startswith("{"):
            return dict(json.loads(text))
        if "=" in text:
            pairs = (part.partition("=") for part in text.split(","))
            return {key.strip(): _literal(value.strip()) for key, _, value in pairs}
        return dict(self._value(text))

    def _display(self, draw: Callable[[], Any]) -> None:
        # A picture that fails must not hide that the cell did its work.
        try:
            self._show(draw())
        except Exception:  # noqa: BLE001
            sys.stderr.write(traceback.format_exc())

    @staticmethod
    def _show(value: Any) -> None:
        import IPython.display

        notebook: Any = IPython.display  # untyped
        notebook.display(value)

    def set_dict(self, line: str, cell: str) -> None:
        """Makes the cell's ``key: value`` lines a dictionary in the variable named."""
        found = {}
        for text in cell.splitlines():
            if text.strip() and not text.strip().startswith("#"):
                key, colon, value = text.partition(":")
                if not colon:
                    raise ValueError(f"%%set_dict: the line {text!r} is not `key: value`.")
                found[key.strip()] = _literal(value.strip())
        self.shell.push({line.strip(): found})

    def print_module(self, line: str) -> None:
        """Shows the source of a module made here."""
        sys.stdout.write(self._sources[self._known(line.strip())] + "\n")

    def reset_module(self, line: str) -> None:
        """Forgets a module made here."""
        name = self._known(line.strip())
        del self._sources[name]
        self._cells.pop(name, None)
        sys.modules.pop(name, None)
        self.shell.user_ns.pop(name, None)

    def _known(self, name: str) -> str:
        if name not in self._sources:
            raise ValueError(
                f"No cell has made a module {name!r}; known are {sorted(self._sources)}."
            )
        return name

    def insert_module(self, line: str) -> None:
        """Puts the source of a module, by path or name, into the next cell."""
        path = Path(line.strip())
        if path.suffix != ".py":
            import importlib.util

            spec = importlib.util.find_spec(line.strip())
            if spec is None or spec.origin is None:
                raise ValueError(f"There is no module {line.strip()!r}.")
            path = Path(spec.origin)
        self.shell.set_next_input(
            f"%%cell_to_module {path.stem}\n\n{path.read_text()}", replace=False
        )


def _literal(text: str) -> Any:
    """Returns a Python literal; text that is none stands for itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
