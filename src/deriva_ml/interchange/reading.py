"""An RO-Crate of somebody else as a dataset: its files, verified, and all that it says about them.

The files stay where they are. What the crate says is kept word for word, as a file of the
execution that imported it, also where it means nothing to a catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from deriva_catalog.objects import Content, hash_file
from deriva_ml.core.enums import MLAsset
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLNotFoundError,
    DerivaMLUnavailableError,
    some_of,
)
from deriva_ml.core.filespec import FileSpec

from .json_ld import METADATA_FILE, read_json

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.execution.workflow import Workflow

__all__ = [
    "CrateFile",
    "ReadCrate",
    "VerifiedFile",
    "import_ro_crate",
    "inside",
    "read_crate",
    "verified",
]


@dataclass(frozen=True, slots=True)
class CrateFile:
    """A file that somebody describes.

    Attributes:
        path: Where it is.
        description: What it is.
        length: Its bytes, if that is told.
        digests: Digests that are told, by algorithm, in lower-case hexadecimal.
    """

    path: Path
    description: str
    length: int | None
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file that is what was said of it."""

    file: CrateFile
    content: Content

    def spec(self) -> FileSpec:
        """The file as the catalog describes it."""
        return FileSpec(
            URL=str(self.file.path),
            MD5=self.content.md5,
            Length=self.content.length,
            Description=self.file.description,
        )


@dataclass(frozen=True, slots=True)
class ReadCrate:
    """An RO-Crate on this machine.

    Attributes:
        folder: Its root.
        name: What it is called.
        description: What it is.
        files: Its files that are there.
        elsewhere: Identifiers of files that are on the web.
    """

    folder: Path
    name: str
    description: str
    files: tuple[CrateFile, ...]
    elsewhere: tuple[str, ...]


def import_ro_crate(
    ml: DerivaML,
    path: str | Path,
    *,
    dataset_types: str | Iterable[str] | None = None,
    description: str | None = None,
    workflow: Workflow | str | None = None,
) -> Dataset:
    """See `DerivaML.import_ro_crate`."""
    crate = read_crate(Path(path))
    files = verified(crate.folder, crate.files)
    if not files:
        raise DerivaMLDataError(
            f"The RO-Crate {str(crate.folder)!r} has no file on this machine; it refers to "
            f"{some_of(crate.elsewhere) if crate.elsewhere else 'none'}."
        )
    about = description if description is not None else _described(crate)
    with ml.create_execution(description=f"Import {crate.name}.", workflow=workflow) as execution:
        dataset = execution.add_files(
            [file.spec() for file in files],
            dataset_types,
            about,
            root_name=crate.folder.name,
        )
        execution.asset_file_path(
            MLAsset.execution_metadata,
            crate.folder / METADATA_FILE,
            MLAsset.execution_metadata,
            copy_file=True,
            description=f"What the RO-Crate of dataset {dataset.rid} says, word for word.",
        )
    execution.upload_execution_outputs()
    return dataset


def _described(crate: ReadCrate) -> str:
    return "\n\n".join(text for text in (crate.name, crate.description) if text)


# --- reading -----------------------------------------------------------------------------


def read_crate(path: Path) -> ReadCrate:
    """Read the RO-Crate in a directory, or in the payload of a bag; its files are not looked at.

    Raises:
        DerivaMLNotFoundError: There is no RO-Crate.
        DerivaMLDataError: Its description is malformed, or a path leads out of it.
    """
    folder = next((f for f in (path, path / "data") if (f / METADATA_FILE).is_file()), None)
    if folder is None:
        raise DerivaMLNotFoundError(
            f"There is no RO-Crate in {str(path)!r}: no {METADATA_FILE!r} in it or in its 'data'."
        )
    folder = folder.absolute()
    entities = _entities(folder / METADATA_FILE)
    descriptor = entities.get(METADATA_FILE) or entities.get(f"./{METADATA_FILE}") or {}
    root = entities.get(_reference(descriptor.get("about")) or "./")
    if root is None:
        raise DerivaMLDataError(
            f"{str(folder / METADATA_FILE)!r} does not say which entity is the crate as a whole."
        )
    files: dict[Path, CrateFile] = {}
    elsewhere: list[str] = []
    for entity in _parts(entities, root):
        identifier = str(entity["@id"])
        if _is_elsewhere(identifier):
            elsewhere += [identifier] if "File" in _many(entity.get("@type")) else []
            continue
        place = inside(folder, unquote(identifier))
        for file in _files(entity, place):
            files.setdefault(file.path, file)
    files.pop(folder / METADATA_FILE, None)
    return ReadCrate(
        folder,
        _text(root.get("name")) or folder.name,
        _text(root.get("description")),
        tuple(files[p] for p in sorted(files)),
        tuple(sorted(elsewhere)),
    )


def _entities(file: Path) -> dict[str, Mapping[str, Any]]:
    try:
        document = read_json(file)
        graph = document["@graph"]
        return {str(e["@id"]): e for e in graph if isinstance(e, Mapping) and "@id" in e}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DerivaMLDataError(
            f"{str(file)!r} is not the description of an RO-Crate: {error!r}."
        ) from error


def _parts(
    entities: Mapping[str, Mapping[str, Any]], root: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """The data entities of a crate, whatever nests them, each once."""
    seen = {str(root["@id"])}
    queue = [root]
    while queue:
        for part in _many(queue.pop().get("hasPart")):
            identifier = _reference(part)
            if identifier is None or identifier in seen or identifier not in entities:
                continue
            seen.add(identifier)
            queue.append(entities[identifier])
            yield entities[identifier]


def _files(entity: Mapping[str, Any], place: Path) -> Iterator[CrateFile]:
    """The files that an entity stands for: itself, or those of a directory."""
    kinds = _many(entity.get("@type"))
    if "File" in kinds:
        digests = {
            name: str(entity[name]).lower() for name in ("md5", "sha256") if entity.get(name)
        }
        yield CrateFile(place, _text(entity.get("description")), _size(entity), digests)
    elif "Dataset" in kinds and place.is_dir():
        base = place.resolve()
        for path in sorted(p for p in place.rglob("*") if p.is_file()):
            if path.resolve().is_relative_to(base):  # a link may lead out of the crate
                yield CrateFile(path, "", None, {})


def _size(entity: Mapping[str, Any]) -> int | None:
    text = str(entity.get("contentSize", "")).strip().removesuffix("B").strip()
    return int(text) if text.isdecimal() else None


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _reference(value: Any) -> str | None:
    found = value.get("@id") if isinstance(value, Mapping) else None
    return str(found) if found is not None else None


def _text(value: Any) -> str:
    return "\n\n".join(str(v) for v in _many(value) if isinstance(v, str | int | float))


def _is_elsewhere(identifier: str) -> bool:
    return bool(urlsplit(identifier).scheme) or identifier.startswith(("#", "//"))


# --- trusting nothing --------------------------------------------------------------------


def inside(folder: Path, relative: str) -> Path:
    """The place of a file of a package, which must not lead out of it, not by a link either.

    Raises:
        DerivaMLDataError: It does.
    """
    path = folder / relative
    base = folder.resolve()
    try:
        is_inside = not Path(relative).is_absolute() and path.resolve().is_relative_to(base)
    except (OSError, ValueError) as error:
        raise DerivaMLDataError(f"{relative!r} cannot be the path of a file: {error}.") from error
    if not is_inside:
        raise DerivaMLDataError(f"{relative!r} leads out of {str(folder)!r}; nothing was read.")
    return Path(*folder.parts, *(p for p in Path(relative).parts if p != "."))


def verified(folder: Path, files: Iterable[CrateFile]) -> list[VerifiedFile]:
    """The files of a package, after hashing them and comparing with what was said of them.

    Raises:
        DerivaMLDataError: Some are missing, or differ; the message names them.
        DerivaMLUnavailableError: One cannot be read.
    """
    found: list[VerifiedFile] = []
    wrong: list[str] = []
    for file in files:
        shown = str(file.path.relative_to(folder))
        if not file.path.is_file():
            wrong.append(f"{shown!r} is missing")
            continue
        try:
            content = hash_file(file.path)
        except OSError as error:
            raise DerivaMLUnavailableError(
                f"{str(file.path)!r} cannot be read: {error}."
            ) from error
        told = dict(file.digests)
        if file.length is not None and file.length != content.length:
            wrong.append(f"{shown!r} has {content.length} bytes, not {file.length}")
        elif any(getattr(content, name) != digest for name, digest in told.items()):
            wrong.append(f"{shown!r} has another content than its digest says")
        found.append(VerifiedFile(file, content))
    if wrong:
        raise DerivaMLDataError(
            f"The files of {str(folder)!r} are not what its description says: {some_of(wrong)}. "
            "Get the package again; nothing was imported."
        )
    return found
