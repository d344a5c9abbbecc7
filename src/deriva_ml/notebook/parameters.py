"""The parameters of a notebook: what its cell declares, and the values that a run gives them."""

from __future__ import annotations

import ast
import difflib
import io
import json
import tokenize
import typing
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from ..core.exceptions import DerivaMLConfigurationError, DerivaMLValidationError, some_of
from .document import Document

__all__ = [
    "Parameter",
    "check_values",
    "declared_parameters",
    "fits",
    "no_parameters",
    "read_values",
    "variables",
]

TAG = "parameters"
_HOW = (
    "Put the variables that a run may change into one cell right after the imports, and give "
    f"that cell the tag {TAG!r} (in Jupyter: Property Inspector, Cell Tags)."
)
_NAMES: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, list, dict)},
    **{name: getattr(typing, name) for name in ("Any", "Literal", "Optional", "Union")},
    **{"List": list, "Dict": dict, "Sequence": list, "Mapping": dict, "None": None},
}
"""Names in type hints whose values can be written in a command or a file."""

_SYNTAX = (
    *(ast.Expression, ast.Name, ast.Load, ast.Subscript, ast.Tuple, ast.List, ast.Constant),
    *(ast.BinOp, ast.BitOr, ast.UnaryOp, ast.USub),
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A variable of the parameters cell.

    Attributes:
        name: What it is called.
        hint: Its type hint as it is written; empty without one.
        default: Its value as it is written; None when it has none, so that a run must give one.
        about: The comment behind it.
    """

    name: str
    hint: str = ""
    default: str | None = None
    about: str = ""

    @property
    def kind(self) -> str:
        """The hint, else the type of a default that is written out, else ``Any``."""
        if self.hint:
            return self.hint
        value, known = _value_of(self.default)
        return type(value).__name__ if known else "Any"

    def __str__(self) -> str:
        """The line of ``--inspect``."""
        default = "(no default)" if self.default is None else f"(default {self.default})"
        return "  ".join(filter(None, (f"{self.name}:{self.kind}", default, self.about)))


def declared_parameters(document: Document) -> dict[str, Parameter] | None:
    """The parameters of a notebook by name; None where it has no cell for them.

    Raises:
        DerivaMLConfigurationError: The cell holds something else than assignments, or there are
            several such cells.
    """
    cells = document.tagged(TAG)
    if not cells:
        return None
    if len(cells) > 1:
        raise DerivaMLConfigurationError(
            f"{document.path.name!r} has {len(cells)} cells with the tag {TAG!r}; one is to have "
            "all parameters."
        )
    if document.language != "python":
        raise DerivaMLConfigurationError(
            f"{document.path.name!r} is in {document.language}; only the parameters of notebooks "
            "in Python are understood."
        )
    source = str(cells[0].source)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise DerivaMLConfigurationError(
            f"The parameters cell of {document.path.name!r} is no valid Python in line "
            f"{error.lineno}: {error.msg}. It may hold comments and assignments."
        ) from error
    comments = _comments(source)
    found = [_declared(document, source, node, comments) for node in tree.body]
    return {parameter.name: parameter for parameter in found if parameter is not None}


def _declared(
    document: Document, source: str, node: ast.stmt, comments: Mapping[int, str]
) -> Parameter | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return None  # a text that explains
    target: ast.expr | None = None
    if isinstance(node, ast.AnnAssign):
        target = node.target
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    if not isinstance(target, ast.Name):
        line = (ast.get_source_segment(source, node) or "").splitlines()[0]
        raise DerivaMLConfigurationError(
            f"The parameters cell of {document.path.name!r} holds {line!r} in line {node.lineno}; "
            "it may hold only comments and assignments of one variable each. Move the rest to "
            "another cell."
        )
    value: ast.expr | None = getattr(node, "value", None)
    default = None if value is None else ast.get_source_segment(source, value)
    kind, about = _split(comments.get(node.end_lineno or node.lineno, ""))
    hint = ast.unparse(node.annotation).strip("'\"") if isinstance(node, ast.AnnAssign) else kind
    return Parameter(target.id, hint, default, about)


def _comments(source: str) -> dict[int, str]:
    """The comments of a cell by line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _split(comment: str) -> tuple[str, str]:
    """A comment's ``type: hint``, which older notebooks have, and the rest of it."""
    if not comment.startswith("type:"):
        return "", comment
    hint, _, about = comment.removeprefix("type:").strip().partition(" ")
    return hint, about.strip()


# --- values ------------------------------------------------------------------------------


def read_values(path: Path) -> dict[str, Any]:
    """The values in a file of parameters, in YAML or JSON.

    Raises:
        DerivaMLConfigurationError: There is no such file, or it does not hold a mapping.
    """
    shown = str(path)
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise DerivaMLConfigurationError(
            f"{shown!r} is no file of parameters: its name ends in none of .yaml, .yml and .json."
        )
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise DerivaMLConfigurationError(f"{shown!r} cannot be read: {error}.") from error
    except (ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise DerivaMLConfigurationError(f"{shown!r} cannot be understood: {why}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise DerivaMLConfigurationError(
            f"{shown!r} holds {type(found).__name__}, not names of parameters with values, such "
            "as 'threshold: 0.25'."
        )
    return found


def check_values(
    document: Document,
    texts: Iterable[tuple[str, str]] = (),
    values: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The values that a run gives to a notebook's parameters, each of the type that is declared.

    Args:
        document: The notebook.
        texts: Names and values as they stand in a command.
        values: Values from a file, which win.

    Raises:
        DerivaMLConfigurationError: The notebook has no cell for parameters.
        DerivaMLValidationError: A name is unknown, a value is of another type, or a parameter
            without default gets none.
    """
    pairs, given = list(texts), dict(values or {})
    declared = declared_parameters(document)
    if declared is None:
        if pairs or given:
            raise DerivaMLConfigurationError(
                f"{document.path.name!r} takes no parameters, because none of its cells has the "
                f"tag {TAG!r}. {_HOW}"
            )
        return {}
    names = dict.fromkeys([*(name for name, _ in pairs), *given])
    problems = [_unknown(document, name, declared) for name in names if name not in declared]
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name in declared:
            _take(found, problems, declared[name], _of_text(declared[name], text))
    for name, value in given.items():
        if name in declared:
            _take(found, problems, declared[name], [value])
    missing = [p.name for p in declared.values() if p.default is None and p.name not in names]
    if missing:
        problems.append(f"No value is given for {some_of(missing)}, which has no default.")
    if problems:
        raise DerivaMLValidationError(" ".join(problems))
    return found


def no_parameters(document: Document) -> str:
    """What to tell someone who asks for the parameters of a notebook without a cell for them."""
    return f"{document.path.name!r} has no cell with the tag {TAG!r}. {_HOW}"


def _unknown(document: Document, name: str, declared: Mapping[str, Parameter]) -> str:
    near = difflib.get_close_matches(name, declared, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has {some_of(list(declared)) or 'none'}."
    return f"{document.path.name!r} has no parameter {name!r}. {hint}"


def _take(
    found: dict[str, Any], problems: list[str], parameter: Parameter, candidates: Sequence[Any]
) -> None:
    """Keep the first of some readings of a value that fits the parameter's hint."""
    adapter = _adapter(parameter.hint)
    for candidate in candidates:
        try:
            found[parameter.name] = (
                candidate if adapter is None else adapter.validate_python(candidate, strict=True)
            )
        except ValidationError:
            continue
        return
    problems.append(
        f"The parameter {parameter.name!r} is declared as {parameter.hint}, and "
        f"{candidates[-1]!r} is none."
    )


def _of_text(parameter: Parameter, text: str) -> list[Any]:
    """What a text of the command line may mean, the likeliest first and the text itself last."""
    default, known = _value_of(parameter.default)
    if not parameter.hint and known and isinstance(default, str):
        return [text]
    readings: list[Any] = []
    for number in (int, float):
        try:
            readings.append(number(text))
        except ValueError:
            continue
    if parameter.hint or isinstance(default, bool | list | dict):
        with suppress(yaml.YAMLError):
            meant = yaml.safe_load(text)
            if not isinstance(meant, str):  # a text is meant as it was given, with all its marks
                readings.append(meant)
    return [*readings, text]


def fits(hint: str, value: Any) -> bool:
    """Whether a value is of the type that a hint names; any is where it names other types."""
    adapter = _adapter(hint)
    try:
        if adapter is not None:
            adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _value_of(source: str | None) -> tuple[Any, bool]:
    """The value that is written, and whether it is written out."""
    if source is None:
        return None, False
    try:
        return ast.literal_eval(source), True
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None, False


def _adapter(hint: str) -> TypeAdapter[Any] | None:
    """What checks values against a hint; None where the hint names other types."""
    if not hint:
        return None
    try:
        tree = ast.parse(hint, mode="eval")
    except SyntaxError:  # a comment that is no hint
        return None
    for node in ast.walk(tree):
        if not isinstance(node, _SYNTAX):
            return None
        if isinstance(node, ast.Name) and node.id not in _NAMES:
            return None
    try:
        # Only names and subscripts of the table above are left in it.
        meant = eval(compile(tree, "<hint>", "eval"), {"__builtins__": {}}, _NAMES)
        return TypeAdapter(meant)
    except (TypeError, PydanticUserError):  # such as int[3], which the notebook will refuse
        return None


def variables(declared: Mapping[str, Parameter] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the parameters have in a run, where the text tells them."""
    found: dict[str, Any] = {}
    for name, parameter in (declared or {}).items():
        value, known = _value_of(parameter.default)
        if known:
            found[name] = value
    return {**found, **given}
