"""Packages on disk: a directory or a zip file that appears as a whole, or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from deriva_catalog.bag import read_bag
from deriva_catalog.bag.names import PAYLOAD
from deriva_catalog.bag.staging import staging
from deriva_catalog.bag.tags import DECLARATION, FETCH, INFO, Bag, info_bytes, manifest_bytes
from deriva_catalog.objects import hash_file
from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLValidationError, translated

__all__ = ["copy_bag", "link_or_copy", "new_package"]

_OXUM = "Payload-Oxum"
_ASSETS = "data/asset/"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o644 << 16


@contextmanager
def new_package(destination: Path, purpose: str) -> Iterator[Path]:
    """Give a directory to fill, which then becomes the package.

    Equal contents give equal bytes, also of a zip file.

    Args:
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        purpose: What is being done, for messages.

    Raises:
        DerivaMLValidationError: `destination` exists.
        DerivaMLUnavailableError: It cannot be written.
    """
    place = destination.absolute()
    _refuse_existing(place)
    with translated(), staging(place, purpose) as folder:
        content = folder / "content"
        content.mkdir()
        yield content
        if place.suffix.lower() == ".zip":
            _zip(content, folder / place.name)
            content = folder / place.name
        _refuse_existing(place)
        content.rename(place)


def _refuse_existing(place: Path) -> None:
    if place.exists() or place.is_symlink():
        raise DerivaMLValidationError(
            f"{str(place)!r} exists. Choose another destination, or remove what is there."
        )


def _zip(folder: Path, archive: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_DEFLATED) as out:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _FILE_MODE
            entry.file_size = file.stat().st_size  # so that large files get large headers
            with file.open("rb") as source, out.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file of this machine at `target`: linked if it cannot be written, else copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(source, os.W_OK):
        with suppress(OSError):  # another file system, or one without links
            os.link(source, target)
            return
    shutil.copyfile(source, target)


# --- bags --------------------------------------------------------------------------------


def copy_bag(
    source: Path, target: Path, more: Mapping[str, bytes | None], *, with_files: bool = True
) -> None:
    """Copy a bag and add files to it, so that the copy is a valid bag.

    Files of assets are linked where that is possible and they cannot be written.

    Args:
        source: The bag.
        target: An empty directory.
        more: Bytes by path, None for a file that is in `target` already. Below ``data/`` they are
            payload, elsewhere files about the bag.
        with_files: Copy the files that ``fetch.txt`` lists, too, as far as they are there.

    Raises:
        DerivaMLDataError: The bag has such a file already.
    """
    bag = read_bag(source)
    _require_known(bag)
    listed = {entry.path for entry in bag.fetch}
    for path in bag.payload:
        if path in listed and not with_files:
            continue
        if (source / path).is_file():
            _put(source / path, target / path, link=path.startswith(_ASSETS))
        elif path not in listed:
            raise DerivaMLDataError(
                f"The bag {str(source)!r} lacks {path!r}; remove the bag, and download it again."
            )
    for path, data in more.items():
        if path in bag.payload or (source / path).exists():
            raise DerivaMLDataError(f"The bag {str(source)!r} has a file {path!r} already.")
        if data is not None:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(data)
    _write_tags(bag, target, sorted(more))


def _require_known(bag: Bag) -> None:
    """Refuse a bag whose digests are not those that `deriva_catalog` writes."""
    if not set(bag.manifests) <= {"md5", "sha256"} or _OXUM not in bag.info:
        raise DerivaMLDataError(
            f"The bag {str(bag.directory)!r} was not written by this library: it has manifests of "
            f"{sorted(bag.manifests)}. Load it into a catalog, and download its dataset."
        )


def _put(source: Path, target: Path, *, link: bool) -> None:
    if link:
        link_or_copy(source, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write_tags(bag: Bag, target: Path, more: Iterable[str]) -> None:
    """Write the files around the payload: those of the bag, with what was added to it."""
    payload = {p: hash_file(target / p) for p in more if p.startswith(PAYLOAD)}
    size, _, count = bag.info[_OXUM].partition(".")
    total = int(size) + sum(content.length for content in payload.values())
    info = {**bag.info, _OXUM: f"{total}.{int(count) + len(payload)}"}
    tags = {
        DECLARATION: (bag.directory / DECLARATION).read_bytes(),
        INFO: info_bytes(info),
    }
    if bag.fetch:
        tags[FETCH] = (bag.directory / FETCH).read_bytes()
    for algorithm, known in bag.manifests.items():
        added = {path: getattr(content, algorithm) for path, content in payload.items()}
        tags[f"manifest-{algorithm}.txt"] = manifest_bytes({**known, **added})
    for name, data in tags.items():
        (target / name).write_bytes(data)
    about = {p: hash_file(target / p) for p in [*tags, *more] if p not in payload}
    for algorithm in bag.manifests:
        digests = {path: getattr(content, algorithm) for path, content in about.items()}
        (target / f"tagmanifest-{algorithm}.txt").write_bytes(manifest_bytes(digests))
