"""Data that DVC tracks, as a dataset.

Source: DVC, ".dvc files", "dvc.lock" and "Internal directories and files": an output is named
by its MD5; that of a directory, with the suffix ``.dir``, is the MD5 of a JSON list of its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.arguments import check_text, words
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    some_of,
)

from .bringing import bring
from .files import SourceFile, relative_name
from .plan import FilePlan, Node, directory_tree
from .result import ImportResult

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.execution import Execution

__all__ = ["import_dvc"]

_DIR = ".dir"
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class _Output:
    """One output of a ``.dvc`` file: its path beside that file, its MD5, and its length."""

    path: str
    md5: str
    length: int | None

    @property
    def is_directory(self) -> bool:
        return self.md5.endswith(_DIR)


def import_dvc(
    ml: DerivaML,
    path: Path | str,
    asset_table: str,
    *,
    out: str | None = None,
    cache_dir: Path | str | None = None,
    description: str = "",
    dataset_types: str | Iterable[str] | None = None,
    asset_types: str | Iterable[str] | None = None,
    nested: bool = True,
    execution: Execution | None = None,
) -> ImportResult:
    """Bring what a ``.dvc`` file (or ``dvc.lock``) tracks into the catalog, as a dataset.

    Bytes come from DVC's cache, or else from the working copy; in both cases they must have the
    MD5 that DVC has written down, which the rows keep.

    Args:
        ml: The connection.
        path: The ``.dvc`` file, or ``dvc.lock``.
        asset_table: The asset table that the files go to; it is made when there is none.
        out: Path of the only output to be imported; None means all of them.
        cache_dir: DVC's cache; None means ``.dvc/cache`` of the repository around the file.
        description: Of the dataset; empty means one that names the file.
        dataset_types: Terms of ``Dataset_Type`` for the datasets, besides ``Directory``.
        asset_types: Terms of ``Asset_Type``; None means the one named after the table.
        nested: Whether each directory inside is a dataset inside.
        execution: The execution that imports; None means one of its own, which declares `path`
            as its input.

    Raises:
        DerivaMLNotFoundError: The file, an output or its bytes are not there.
        DerivaMLValidationError: The file is damaged, or names a path that leads elsewhere.
        DerivaMLDataError: Bytes have another MD5 than DVC says.
    """
    pointer = Path(path).expanduser()
    outputs = _outputs(pointer, out)
    caches = [Path(cache_dir).expanduser()] if cache_dir is not None else _caches(pointer)
    files = dict(sorted(_all_files(pointer, outputs, caches)))
    name = pointer.name
    text = check_text(description, "description") or f"Data that {name} tracks."
    types = ("Directory", *words(dataset_types, "dataset_types"))
    plan = FilePlan(
        asset_table=check_text(asset_table, "asset_table"),
        files=files,
        root=_root(files, text, types, name, nested),
        source=f"DVC's {name}",
        asset_types=tuple(words(asset_types, "asset_types")),
        inputs=(str(pointer),),
    )
    return bring(ml, plan, execution)


def _root(
    files: Mapping[str, SourceFile], text: str, types: tuple[str, ...], name: str, nested: bool
) -> Node:
    return directory_tree(files, text, types, name.removesuffix(".dvc"), nested=nested)


# --- what DVC has written down -----------------------------------------------------------


def _outputs(pointer: Path, out: str | None) -> list[_Output]:
    document = _yaml(pointer)
    if pointer.name == "dvc.lock":
        stages = document.get("stages")
        entries = [
            entry
            for stage in (stages.values() if isinstance(stages, Mapping) else ())
            for entry in (stage.get("outs") or () if isinstance(stage, Mapping) else ())
        ]
    else:
        entries = document.get("outs") or []
        if not isinstance(entries, list):
            raise DerivaMLValidationError(f"The outputs in {str(pointer)!r} are no list.")
    found = [_output(entry, pointer) for entry in entries]
    if out is not None:
        found = [output for output in found if output.path == out]
    if not found:
        which = "no outputs" if out is None else f"no output {out!r}"
        raise DerivaMLNotFoundError(f"{str(pointer)!r} has {which}.")
    return found


def _yaml(pointer: Path) -> Mapping[str, Any]:
    import yaml

    if not pointer.is_file():
        raise DerivaMLNotFoundError(f"There is no file {str(pointer)!r} to be imported.")
    try:
        document = yaml.safe_load(pointer.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DerivaMLValidationError(f"{str(pointer)!r} is not YAML: {error}.") from error
    if not isinstance(document, Mapping):
        raise DerivaMLValidationError(f"{str(pointer)!r} is not a file of DVC.")
    return document


def _output(entry: Any, pointer: Path) -> _Output:
    where = str(pointer)
    if not isinstance(entry, Mapping) or "md5" not in entry:
        raise DerivaMLValidationError(
            f"An output of {where!r} has no MD5: {entry!r}. Data that a cloud versions for DVC "
            "cannot be imported."
        )
    size = entry.get("size")
    md5 = _digest(entry["md5"], where)
    length = size if isinstance(size, int) and not md5.endswith(_DIR) else None
    return _Output(relative_name(entry.get("path"), where), md5, length)


def _digest(text: object, where: str) -> str:
    digest = str(text).lower()
    plain = digest.removesuffix(_DIR)
    if len(plain) != 32 or not set(plain) <= _HEXADECIMAL:
        raise DerivaMLValidationError(f"{where!r} has {text!r} for an MD5.")
    return digest


# --- where the bytes are -----------------------------------------------------------------


def _caches(pointer: Path) -> list[Path]:
    for folder in pointer.resolve().parents:
        if (folder / ".dvc").is_dir():
            return [folder / ".dvc" / "cache"]
    return []


def _cached(caches: Iterable[Path], md5: str) -> Path | None:
    """The file of the cache with that MD5, in today's layout or the older one."""
    for cache in caches:
        for base in (cache / "files" / "md5", cache):
            path = base / md5[:2] / md5[2:]
            if path.is_file():
                return path
    return None


def _all_files(
    pointer: Path, outputs: list[_Output], caches: list[Path]
) -> Iterator[tuple[str, SourceFile]]:
    missing: list[str] = []
    for output in outputs:
        listed: Iterable[tuple[str, str, int | None]] = [("", output.md5, output.length)]
        if output.is_directory:
            listed = [(name, md5, None) for name, md5 in _listing(output, caches)]
        for name, md5, length in listed:
            path = f"{output.path}/{name}" if name else output.path
            found = _cached(caches, md5) or _working_copy(pointer, path)
            if found is None:
                missing.append(path)
            else:
                yield path, SourceFile(found, md5, length)
    if missing:
        raise DerivaMLNotFoundError(
            f"The bytes of {len(missing)} files that {str(pointer)!r} tracks are neither in DVC's "
            f"cache nor in the working copy: {some_of(missing)}. Run 'dvc pull' first."
        )


def _working_copy(pointer: Path, path: str) -> Path | None:
    place = pointer.parent / path
    inside = place.resolve().is_relative_to(pointer.parent.resolve())
    return place if inside and place.is_file() else None


def _listing(output: _Output, caches: list[Path]) -> list[tuple[str, str]]:
    """Path and MD5 of each file of a directory."""
    place = _cached(caches, output.md5)
    if place is None:
        raise DerivaMLNotFoundError(
            f"The list of the files of {output.path!r} ({output.md5}) is not in DVC's cache. Run "
            "'dvc pull' first."
        )
    data = place.read_bytes()
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if digest != output.md5.removesuffix(_DIR):
        raise DerivaMLDataError(
            f"The list of the files of {output.path!r} has the MD5 {digest}, not "
            f"{output.md5.removesuffix(_DIR)}. Get it again: dvc pull."
        )
    where = f"The list of the files of {output.path!r}"
    try:
        entries = json.loads(data)
        return [
            (relative_name(entry["relpath"], where), _digest(entry["md5"], where))
            for entry in entries
        ]
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, DerivaMLValidationError):
            raise
        raise DerivaMLValidationError(f"{where} is not what DVC writes: {error!r}.") from error
