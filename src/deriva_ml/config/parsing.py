"""Reading configuration files as text, by their syntax tree: nothing of them is run.

What is found: calls of `DatasetSpecConfig`, `AssetSpecConfig`, `AssetRIDConfig`, `Workflow` and
`DerivaMLConfig`, of names that were made from these with ``builds(...)``, ``builds`` itself, calls
of a store that hand one of these on, and bare RIDs in lists that go into the group ``assets`` or
that are the `assets` of an `ExecutionConfiguration`.
Values are literals, or constants of the module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .entries import ConfigEntry, ConfigFileParseError, ConfigKind

__all__ = ["parse_config_file"]

_SIGNATURES: dict[ConfigKind, tuple[str, ...]] = {
    "datasets": ("rid", "version"),
    "assets": ("rid", "cache"),
    "workflow": ("name", "workflow_type"),
    "deriva_ml": ("hostname", "catalog_id"),
}
"""The parameters that may be given by position."""
_CLASSES: dict[str, ConfigKind] = {
    "DatasetSpecConfig": "datasets",
    "DatasetSpec": "datasets",
    "AssetSpecConfig": "assets",
    "AssetSpec": "assets",
    "AssetRIDConfig": "assets",
    "Workflow": "workflow",
    "DerivaMLConfig": "deriva_ml",
}
_RUN = "ExecutionConfiguration"
_RID = re.compile(r"[A-Z0-9]{1,4}(-[A-Z0-9]{4})*")


def parse_config_file(path: str | Path) -> tuple[list[ConfigEntry], ConfigFileParseError | None]:
    """Find what a configuration file says about a catalog.

    Args:
        path: A Python file.

    Returns:
        The entries in the order of the text, and None; or no entries and what is wrong with the
        file.
    """
    file = Path(path)
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        told = ConfigFileParseError(file=str(path), line=error.lineno or 0, message=error.msg)
        return [], told
    except (OSError, ValueError) as error:  # a null byte in the text is a ValueError
        return [], ConfigFileParseError(file=str(path), line=0, message=str(error))
    reader = _Reader(str(path), file.read_text(encoding="utf-8", errors="replace").splitlines())
    return sorted(reader.entries(tree), key=lambda entry: (entry.line, entry.col)), None


@dataclass(frozen=True, slots=True)
class _Made:
    """A name that stands for a class with some arguments given."""

    kind: ConfigKind
    given: Mapping[str, ast.expr] = field(default_factory=dict)


@dataclass(slots=True)
class _Reader:
    """One file: what its names stand for, as far as it was read."""

    file: str
    lines: list[str]
    classes: dict[str, _Made] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    runs: set[str] = field(default_factory=lambda: {_RUN})

    def entries(self, tree: ast.Module) -> Iterator[ConfigEntry]:
        """Yield the entries of the file; statements are taken one after the other."""
        for statement in tree.body:
            self._learn(statement)
            yield from self._found(statement)

    # --- what names stand for --------------------------------------------------------

    def _learn(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if alias.name in _CLASSES and alias.asname:
                    self.classes[alias.asname] = _Made(_CLASSES[alias.name])
                if alias.name == _RUN and alias.asname:
                    self.runs.add(alias.asname)
            return
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            return
        if not isinstance(target, ast.Name):
            return
        self.constants[target.id] = value
        made = self._made(value)
        if made is not None and isinstance(value, ast.Call) and _called(value) == "builds":
            self.classes[target.id] = made
        if isinstance(value, ast.Call) and _called(value) == "builds" and self._is_of_run(value):
            self.runs.add(target.id)
        group = self._group(value)
        if group is not None:
            self.groups[target.id] = group

    def _class(self, node: ast.expr) -> _Made | None:
        """The class that an expression names."""
        name = _name(node)
        if name in self.classes:
            return self.classes[name]
        return _Made(_CLASSES[name]) if name in _CLASSES else None

    def _made(self, node: ast.expr) -> _Made | None:
        """What an expression makes: a known class, called or built with arguments."""
        if not isinstance(node, ast.Call):
            return self._class(node)
        if _called(node) == "builds":
            base = self._class(node.args[0]) if node.args else None
            arguments = node.args[1:]
        else:
            base, arguments = self._class(node.func), node.args
        if base is None:
            return None
        given = dict(base.given)
        given |= dict(zip(_SIGNATURES[base.kind], arguments, strict=False))
        given |= {word.arg: word.value for word in node.keywords if word.arg is not None}
        return _Made(base.kind, given)

    def _group(self, node: ast.expr) -> str | None:
        """The group of a store: ``store(group="assets")``, or a name for that."""
        if isinstance(node, ast.Name):
            return self.groups.get(node.id)
        if isinstance(node, ast.Call):
            for word in node.keywords:
                if word.arg == "group":
                    group = self._value(word.value)
                    return group if isinstance(group, str) else None
        return None

    def _value(self, node: ast.expr | None) -> Any:
        """The value of a literal or a constant of the module; None if the text does not tell."""
        for _ in range(len(self.constants) + 1):
            if not isinstance(node, ast.Name):
                break
            node = self.constants.get(node.id)
        return node.value if isinstance(node, ast.Constant) else None

    # --- what is said ----------------------------------------------------------------

    def _found(self, node: ast.AST) -> Iterator[ConfigEntry]:
        """Yield the entries at or below a node."""
        if isinstance(node, ast.Call):
            yield from self._assets_of_run(node)
            stored = self._stored(node)
            if stored is not None:
                yield from stored
                return
            made = self._made(node)
            if made is not None:
                if self._says_something(made):
                    yield self._entry(node, made)
                return
        for child in ast.iter_child_nodes(node):
            yield from self._found(child)

    def _stored(self, call: ast.Call) -> list[ConfigEntry] | None:
        """The entries of a call that stores something; None if it is none."""
        group = self._group(call.func)
        if group is None and isinstance(call.func, ast.Name) and call.func.id == "store":
            group = self._group(call) or ""
        if group is None or not call.args:
            return None
        first = call.args[0]
        made = self._class(first) if not isinstance(first, ast.Call) else self._made(first)
        if made is not None:
            own = {word.arg: word.value for word in call.keywords if word.arg is not None}
            made = _Made(made.kind, {**made.given, **own})
            return [self._entry(call, made)] if self._says_something(made) else []
        found = [entry for argument in call.args for entry in self._found(argument)]
        if group == "assets":
            found += self._bare(first)
        return found

    def _is_of_run(self, call: ast.Call) -> bool:
        """Whether a call makes, builds or stores the configuration of a run."""
        return any(_name(node) in self.runs for node in (call.func, *call.args[:1]))

    def _assets_of_run(self, call: ast.Call) -> Iterator[ConfigEntry]:
        if self._is_of_run(call):
            for word in call.keywords:
                if word.arg == "assets":
                    yield from self._bare(word.value)

    def _bare(self, node: ast.expr) -> list[ConfigEntry]:
        """RIDs that stand in a list as they are; the list may have a name."""
        if isinstance(node, ast.Call) and _called(node) == "with_description" and node.args:
            node = node.args[0]
        if isinstance(node, ast.Name):
            node = self.constants.get(node.id, node)
        if not isinstance(node, ast.List | ast.Tuple):
            return []
        texts = [(item, self._value(item)) for item in node.elts]
        return [
            self._entry(item, _Made("assets", {"rid": item}))
            for item, text in texts
            if isinstance(text, str) and _RID.fullmatch(text)
        ]

    def _says_something(self, made: _Made) -> bool:
        """Whether it names a thing of a catalog; a new workflow, for one, does not."""
        if made.kind == "workflow":
            return bool(made.given.keys() & {"rid", "workflow_rid"})
        if made.kind == "deriva_ml":
            return bool(made.given.keys() & {"hostname", "catalog_id"})
        return "rid" in made.given

    def _entry(self, node: ast.expr, made: _Made) -> ConfigEntry:
        told = {name: self._value(value) for name, value in made.given.items()}
        rid = told.get("rid", told.get("workflow_rid"))
        catalog = told.get("catalog_id")
        cache = told.get("cache")
        return ConfigEntry(
            file=self.file,
            line=node.lineno,
            col=node.col_offset + 1,
            entry_kind=made.kind,
            rid=rid if isinstance(rid, str) else None,
            version=_text(told.get("version")) if made.kind == "datasets" else None,
            hostname=_text(told.get("hostname")),
            catalog_id=None if catalog is None else str(catalog),
            cache=cache if isinstance(cache, bool) else None,
            snippet=self.lines[node.lineno - 1].strip(),
        )


def _name(node: ast.expr) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _called(call: ast.Call) -> str:
    return _name(call.func)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
