"""Source code as a hash that changes with what the code does, not with how it is laid out."""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import logging
import textwrap
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["hash_source_code", "is_current"]

logger = logging.getLogger(__name__)

# Fields whose presence depends on the Python version or on the position in the file.
_IGNORED_FIELDS = frozenset(
    {"lineno", "col_offset", "end_lineno", "end_col_offset", "type_comment", "type_params", "kind"}
)
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_MOST_FILES = 256
_ABSENT = object()

# CPython 3.11 counts the depth of a syntax tree under construction for the whole interpreter, not
# for each thread: two threads that parse at the same time fail with a SystemError.
_PARSING = threading.Lock()


def hash_source_code(source: str | Callable[..., Any], strip: bool = False) -> str:
    """Returns the SHA-256 of source code, the same on every supported Python.

    Args:
        source: Source text, or an object whose source can be found.
        strip: Leave comments, docstrings and layout out of the hash.

    Raises:
        OSError: The source of a callable is not available.
    """
    text = source if isinstance(source, str) else _lines_of(source) or inspect.getsource(source)
    text = textwrap.dedent(text).strip()
    if strip:
        try:
            with _PARSING:
                tree = ast.parse(text)
            text = _canonical(tree)
        except SyntaxError:
            logger.debug("Source that does not parse alone is hashed as text.")
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _File:
    """A file of source code, parsed once for all of its functions.

    Attributes:
        lines: Its text, as `linecache` holds it.
        places: The name and last line of each function by its first line.
        codes: What its functions compile to, by first line.
    """

    lines: list[str]
    places: dict[int, tuple[str, int]]
    codes: dict[int, list[types.CodeType]]


_files: dict[str, _File] = {}


def _file_of(function: types.FunctionType) -> _File:
    name = function.__code__.co_filename
    linecache.checkcache(name)
    lines = linecache.getlines(name, function.__globals__)
    known = _files.get(name)
    if known is None or known.lines is not lines:
        if len(_files) >= _MOST_FILES:
            _files.clear()
        known = _files[name] = _read_file(lines, name)
    return known


def _read_file(lines: list[str], name: str) -> _File:
    places: dict[int, tuple[str, int]] = {}
    codes: dict[int, list[types.CodeType]] = {}
    try:
        with _PARSING:
            tree = ast.parse("".join(lines))
            waiting = [compile(tree, name, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return _File(lines, places, codes)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            places[first] = (node.name, node.end_lineno or first)
    while waiting:
        code = waiting.pop()
        codes.setdefault(code.co_firstlineno, []).append(code)
        waiting += (constant for constant in code.co_consts if type(constant) is types.CodeType)
    return _File(lines, places, codes)


def is_current(function: types.FunctionType) -> bool:
    """Returns whether the file of a function, where there is one, still says what it does.

    It does not when the file was edited after it was imported, or when something else than the
    interpreter made the code of what stands there.
    """
    code, file = function.__code__, _file_of(function)
    return not file.lines or code in file.codes.get(code.co_firstlineno, ())


def _lines_of(source: Any) -> str | None:
    """Returns the text of a plain function, as `inspect` would, from a file that is parsed once.

    None stands for whatever is to be looked up by other means: lambdas, classes, functions whose
    file does not parse.
    """
    function = inspect.unwrap(source) if callable(source) else source
    if not isinstance(function, types.FunctionType):
        return None
    code, file = function.__code__, _file_of(function)
    first = code.co_firstlineno
    name, last = file.places.get(first, ("", 0))
    return "".join(file.lines[first - 1 : last]) if name == code.co_name else None


def _canonical(root: ast.AST) -> str:
    """Returns a dump of a syntax tree without positions, docstrings and what versions differ in."""
    texts: list[str] = []
    waiting: list[Any] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            texts.append(item)
        else:
            waiting += reversed(_dumped(item))
    return "".join(texts)


_fields: dict[type[ast.AST], tuple[str, ...]] = {}


def _dumped(node: ast.AST) -> list[Any]:
    """Returns the dump of one node as texts, with the nodes below it still to be dumped."""
    cls = type(node)
    names = _fields.get(cls)
    if names is None:
        names = _fields[cls] = tuple(n for n in cls._fields if n not in _IGNORED_FIELDS)
    parts: list[Any] = [f"{cls.__name__}("]
    for position, name in enumerate(names):
        value = getattr(node, name, _ABSENT)
        if value is _ABSENT:
            continue
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = _without_docstring(value)
        lead = f",{name}=" if position else f"{name}="
        if isinstance(value, ast.AST):
            parts += (lead, value)
        elif type(value) is list:
            parts.append(f"{lead}[")
            for index, item in enumerate(value):
                if index:
                    parts.append(",")
                parts.append(item if isinstance(item, ast.AST) else repr(item))
            parts.append("]")
        else:
            parts.append(f"{lead}{value!r}")
    parts.append(")")
    return parts


def _without_docstring(body: Any) -> Any:
    first = body[0] if body else None
    value = first.value if isinstance(first, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return body[1:] or [ast.Pass()]
    return body
