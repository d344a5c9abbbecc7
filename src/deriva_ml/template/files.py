"""The files of a new project: what its name may be, and what is in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import PurePosixPath

from ..core.constants import ML_SCHEMA, SYSTEM_SCHEMAS
from ..core.exceptions import DerivaMLValidationError

__all__ = ["TEMPLATE", "check_name", "project_files"]

TEMPLATE = "project"
"""The directory beside this module that holds the files."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_LONGEST = 50
_DOT = "dot."
_SKIPPED = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}


def check_name(name: str) -> None:
    """Refuse a name that a project, its catalog or the schema of its tables cannot have.

    Raises:
        DerivaMLValidationError: The name has other characters, is too long, or is taken.
    """
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST:
        near = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-0123456789")[:_LONGEST].strip("-")
        hint = f" Such as {near!r}." if _NAME.fullmatch(near) else ""
        raise DerivaMLValidationError(
            f"{name!r} cannot be the name of a project: it begins with a letter, goes on with "
            f"letters, digits and single hyphens or underscores, and has at most {_LONGEST} "
            f"characters.{hint}"
        )
    if _schema(name) in SYSTEM_SCHEMAS or name == ML_SCHEMA:
        raise DerivaMLValidationError(
            f"{name!r} cannot be the name of a project: the system has a schema of that name."
        )
    if _normal(name) in _needed():
        raise DerivaMLValidationError(
            f"{name!r} cannot be the name of a project: it needs a package of that name."
        )


def project_files(name: str) -> dict[PurePosixPath, bytes]:
    """Return the files of a new project of that name, by their paths in it.

    Raises:
        DerivaMLValidationError: The name cannot be used.
    """
    check_name(name)
    words = {b"PROJECT_NAME": name.encode(), b"PROJECT_SCHEMA": _schema(name).encode()}
    found = {}
    for path, file in _walk(files(__package__) / TEMPLATE, PurePosixPath()):
        content = file.read_bytes()
        for word, meaning in words.items():
            content = content.replace(word, meaning)
        found[path] = content
    return found


def _walk(directory: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if entry.name in _SKIPPED:
            continue
        name = entry.name
        path = at / (f".{name.removeprefix(_DOT)}" if name.startswith(_DOT) else name)
        if entry.is_dir():
            yield from _walk(entry, path)
        else:
            yield path, entry


def _schema(name: str) -> str:
    """The schema of a project's tables: names in code have no hyphens."""
    return name.replace("-", "_")


def _normal(name: str) -> str:
    """The name of a package, as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed() -> set[str]:
    """Names of the packages that a new project needs, and that it cannot be called."""
    text = (files(__package__) / TEMPLATE / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"].values()
    needed = chain(project["dependencies"], *extras)
    return {_normal(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]) for requirement in needed}
