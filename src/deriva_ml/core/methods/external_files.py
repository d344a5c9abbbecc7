"""Files that stay where they are: flat methods of `DerivaML`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from ..constants import is_rid
from ..exceptions import DerivaMLValidationError

if TYPE_CHECKING:
    from deriva_catalog.interface import Row
    from deriva_ml.dataset.dataset import Dataset

    from ..base import DerivaML
    from ..filespec import FileSpec

Files: TypeAlias = "Iterable[FileSpec | Mapping[str, Any]]"
Words = str | Iterable[str] | None

_ANY, _NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
_FILES = inspect.Parameter("files", _ANY, annotation=Files)
_EXECUTION = inspect.Parameter("execution_rid", _ANY, default=None, annotation="str | None")
_TYPES = inspect.Parameter("dataset_types", _ANY, default=None, annotation=Words)
_DESCRIPTION = inspect.Parameter("description", _ANY, default="", annotation=str)
_CHUNK = inspect.Parameter("chunk_size", _ANY, default=500, annotation=int)
_ROOT = inspect.Parameter("root_name", _NAMED, default=None, annotation="str | None")
_NOW = inspect.Signature([_FILES, _EXECUTION, _TYPES, _DESCRIPTION, _CHUNK, _ROOT])
_OLDER = inspect.Signature([_FILES, _TYPES, _DESCRIPTION, _EXECUTION])


@overload
def add_files(
    self: DerivaML,
    files: Files,
    execution_rid: str,
    dataset_types: Words = None,
    description: str = "",
    chunk_size: int = 500,
    *,
    root_name: str | None = None,
) -> Dataset: ...


@overload
def add_files(
    self: DerivaML,
    files: Files,
    dataset_types: list[str] | tuple[str, ...] | None,
    description: str = "",
    execution_rid: str | None = None,
) -> str: ...


@overload
def add_files(
    self: DerivaML,
    files: Files,
    *,
    dataset_types: Words = None,
    description: str = "",
    execution_rid: str | None = None,
    chunk_size: int = 500,
    root_name: str | None = None,
) -> Dataset: ...


def add_files(self: DerivaML, files: Files, *args: Any, **named: Any) -> Dataset | str:
    """Describe files in the catalog, and make a dataset of each directory they are in.

    See `Datasets.add_files`, whose arguments it takes, the execution's RID in second place. The
    older order ``(files, dataset_types, description, execution_rid)`` is told by its second
    value, which is no RID, and gives the RID of the dataset.
    """
    older = bool(args) and not (isinstance(args[0], str) and is_rid(args[0]))
    given = _OLDER if older else _NOW
    try:
        values = given.bind(files, *args, **named).arguments
    except TypeError as error:
        raise DerivaMLValidationError(
            f"add_files() cannot be called like this: {error}. Its arguments are {_NOW}."
        ) from error
    dataset = self.datasets.add_files(**values)
    return dataset.dataset_rid if older else dataset


# What the call takes, for those that look it up; the older order is one of its two forms.
add_files.__signature__ = _NOW.replace(  # type: ignore[attr-defined]
    parameters=[inspect.Parameter("self", _ANY), *_NOW.parameters.values()],
    return_annotation="Dataset | str",
)


def list_files(self: DerivaML, file_types: str | Iterable[str] | None = None) -> list[Row]:
    """Files that stay where they are, perhaps of some types (see `dataset.files.list_files`)."""
    return self.datasets.files(file_types)
