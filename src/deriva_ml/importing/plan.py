"""What is to be imported: files, the datasets that they are members of, and their classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deriva_ml.core.exceptions import DerivaMLValidationError

from .files import SourceFile

__all__ = ["ClassFeature", "FilePlan", "Node", "check_existing", "directory_tree"]


@dataclass(frozen=True, slots=True)
class Node:
    """A dataset to be.

    Attributes:
        description: What it is; with the members, it tells one from another.
        types: Terms of ``Dataset_Type``.
        files: Paths of the files, or numbers of the rows, that are its members.
        nested: The datasets inside it.
        path: The directory that it stands for, if it does.
    """

    description: str
    types: tuple[str, ...] = ()
    files: tuple[str | int, ...] = ()
    nested: tuple[Node, ...] = ()
    path: str | None = None

    def walk(self) -> Iterator[Node]:
        """Those nested first, then itself."""
        for inner in self.nested:
            yield from inner.walk()
        yield self


@dataclass(frozen=True, slots=True)
class ClassFeature:
    """A feature whose values are terms, and the term of each file."""

    name: str
    vocabulary: str
    classes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FilePlan:
    """Everything that an import of files writes.

    Attributes:
        asset_table: The table of the files; it is made when there is none.
        files: The files by their paths.
        root: The outermost dataset.
        source: What the files come from, for the execution's description.
        metadata: Values of metadata columns by path.
        feature: The classes of files.
        asset_types: Terms of ``Asset_Type`` for every file.
        inputs: Files that the execution declares as read.
        skipped: Paths of files that are no part of the data.
        replace: Whether assets that the catalog has with other metadata get these values; else
            the import is refused.
    """

    asset_table: str
    files: Mapping[str, SourceFile]
    root: Node
    source: str
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    feature: ClassFeature | None = None
    asset_types: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    replace: bool = False


def check_existing(existing: str) -> None:
    """Refuse words that do not say what to do about what is there with other values.

    Raises:
        DerivaMLValidationError: It is another word.
    """
    if existing not in ("refuse", "replace"):
        raise DerivaMLValidationError(f"existing is 'refuse' or 'replace', not {existing!r}.")


def directory_tree(
    paths: Mapping[str, Any], description: str, types: tuple[str, ...], name: str, *, nested: bool
) -> Node:
    """A dataset for a directory, and inside it one for each directory below it.

    Args:
        paths: The paths of the files.
        description: Of the outermost.
        types: Of each.
        name: Of the outermost directory.
        nested: Whether there are nested datasets; else all files are members of one.
    """
    if not nested:
        return Node(description, types, tuple(paths), path=name)
    inside: dict[str, list[str]] = {"": []}
    for path in paths:
        folder = path.rpartition("/")[0]
        inside.setdefault(folder, []).append(path)
        while folder:
            folder = folder.rpartition("/")[0]
            inside.setdefault(folder, [])

    def node(folder: str) -> Node:
        below = sorted(f for f in inside if f and f.rpartition("/")[0] == folder)
        text = description if not folder else f"Files of {name}/{folder}."
        return Node(
            text, types, tuple(inside[folder]), tuple(map(node, below)), path=folder or name
        )

    return node("")
