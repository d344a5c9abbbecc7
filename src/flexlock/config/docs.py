"""What the author wrote about a parameter: comments, attribute docstrings, docstring sections.

Read from source text only when a help text is asked for.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

__all__ = ["attribute_docs", "section_docs"]

_SECTION = re.compile(
    r"^(?:Attributes|Args|Arguments|Parameters|Params|Fields):?\s*$", re.IGNORECASE
)
_OTHER_SECTION = re.compile(r"^[A-Z][A-Za-z ]*:\s*$")
_UNDERLINE = re.compile(r"^[-=~]{3,}\s*$")
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\(([^)]*)\)|:\s*[^:]+)?\s*:\s+(.*)$")
_NUMPY_ENTRY = re.compile(r"^(\w+)\s*(?::.*)?$")
_DIRECTIVE = re.compile(r"#\s*(type:|noqa|pylint:|fmt:|pragma:|ruff:|mypy:)")


def attribute_docs(cls: type) -> dict[str, str]:
    """Return what is written beside the attributes of a class and of its bases.

    A string below an attribute wins over a comment behind it, that over comment lines above it,
    and all of them over an ``Attributes:`` section of the docstring.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base is not object:
            docs |= section_docs(base.__dict__.get("__doc__") or "")
            docs |= _docs_in_source(base)
    return docs


def section_docs(docstring: str) -> dict[str, str]:
    """Return name -> text from the parameter section of a Google or NumPy docstring."""
    lines = inspect.cleandoc(docstring).splitlines()
    for number, line in enumerate(lines):
        if _SECTION.match(line):
            following = lines[number + 1 :]
            if following and _UNDERLINE.match(following[0]):
                return _numpy_section(following[1:])
            return _google_section(following)
    return {}


def _google_section(lines: list[str]) -> dict[str, str]:
    body = []
    for line in lines:
        if line.strip() and not line[0].isspace():
            break
        body.append(line)
    docs: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent("\n".join(body)).splitlines():
        entry = None if line[:1].isspace() else _ENTRY.match(line)
        if entry:
            name = entry[1]
            docs[name] = entry[3].strip()
        elif name and line.strip():
            docs[name] = f"{docs[name]} {line.strip()}".strip()
    return docs


def _numpy_section(lines: list[str]) -> dict[str, str]:
    docs: dict[str, str] = {}
    name = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if _UNDERLINE.match(following) or _OTHER_SECTION.match(line):
            break
        entry = _NUMPY_ENTRY.match(line)
        if entry:
            name = entry[1]
            docs[name] = ""
        elif name and line.strip():
            docs[name] = f"{docs[name]} {line.strip()}".strip()
    return docs


def _docs_in_source(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError, IndentationError):
        return {}  # typed in, or made by a program: then there is nothing to read
    if not tree.body or not isinstance(tree.body[0], ast.ClassDef):
        return {}
    lines = source.splitlines()
    body = tree.body[0].body
    docs: dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        name = _assigned_name(statement)
        if name:
            text = _string_of(following) or _comment_of(statement, lines)
            if text:
                docs[name] = text
    return docs


def _assigned_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _string_of(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value: Any = statement.value.value
        if isinstance(value, str):
            return " ".join(inspect.cleandoc(value).split())
    return ""


def _comment_of(statement: ast.stmt, lines: list[str]) -> str:
    """Return the comment behind a statement, or the comment lines directly above it."""
    last = (statement.end_lineno or statement.lineno) - 1
    # Columns of the syntax tree count bytes of UTF-8.
    rest = lines[last].encode()[statement.end_col_offset or 0 :].decode().strip()
    if rest.startswith("#"):
        return "" if _DIRECTIVE.match(rest) else rest.lstrip("#").strip()
    above: list[str] = []
    number = statement.lineno - 2
    while number >= 0 and lines[number].strip().startswith("#"):
        above.insert(0, lines[number].strip().lstrip("#").strip())
        number -= 1
    return " ".join(above)
