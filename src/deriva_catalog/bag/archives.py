"""A bag as one file: zip, tar or gzipped tar. Equal bags give equal bytes.

The archive has one folder, named like the file without its ending, and in it the bag.

Source: RFC 8493, section 4.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, cast

from ..errors import BadRequest, Conflict, Corrupted
from ..objects.content import Progress
from .names import clash_key, portable_name
from .staging import staging
from .tags import read_bag
from .validation import validate

Archiver = Literal["zip", "tar", "tgz"]
"""How a bag is packed."""

ENDINGS: Mapping[str, Archiver] = {
    ".zip": "zip",
    ".tar.gz": "tgz",
    ".tgz": "tgz",
    ".tar": "tar",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 18
_COMPRESSED = frozenset(
    f".{ending}"
    for ending in (
        *("7z", "bz2", "gz", "tgz", "xz", "zip", "zst", "docx", "pptx", "xlsx", "pdf", "parquet"),
        *("avif", "heic", "jp2", "jpeg", "jpg", "png", "webp", "h5", "hdf5", "nrrd"),
        *("mkv", "mov", "mp3", "mp4", "ogg", "webm"),
    )
)
"""Files that deflating makes no smaller: they are stored, which is many times faster."""


def archive_name(file: Path) -> tuple[str, Archiver]:
    """Return the name of an archive without its ending, and how it is packed.

    Raises:
        BadRequest: It ends in none of ``.zip``, ``.tar``, ``.tgz`` and ``.tar.gz``.
    """
    for ending, archiver in ENDINGS.items():
        if file.name.lower().endswith(ending) and len(file.name) > len(ending):
            return file.name[: -len(ending)], archiver
    raise BadRequest(
        f"{file.name!r} does not tell how a bag is packed.",
        hint=f"Give it one of the endings {', '.join(ENDINGS)}.",
    )


def is_archive(file: Path) -> bool:
    """Whether a path has the name of a packed bag."""
    return any(file.name.lower().endswith(ending) for ending in ENDINGS)


def pack_bag(
    directory: Path | str,
    archive: Path | str,
    *,
    name: str | None = None,
    without_listed: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Pack a bag into one file, which appears when it is complete.

    Files that are only listed in ``fetch.txt`` and not there stay listed in the archive.

    Args:
        directory: The bag; its files are compared with its manifests by name and length.
        archive: The file; its ending tells how it is packed. Must not exist.
        name: The folder in the archive; default: the name of `archive` without its ending.
        without_listed: Leave out files that ``fetch.txt`` lists, also those that are there.
        progress: Told the bytes of each piece of a file.

    Raises:
        BadRequest: `archive` has another ending, or `name` cannot be that of a folder.
        Conflict: `archive` exists, or names in the bag differ in letter case only.
        Corrupted: `directory` is no bag, or is not what its manifests say.
        NotFound: There is no such directory.
        Unavailable: The archive cannot be written.
    """
    directory, archive = Path(directory), Path(archive)
    stem, archiver = archive_name(archive)
    folder = stem if name is None else name
    if portable_name(folder) != folder:
        raise BadRequest(f"{folder!r} cannot be the name of a folder in an archive.")
    _refuse_existing(archive)
    report = validate(directory, fast=True)
    if not report.valid:
        first = report.findings[0]
        raise Corrupted(
            f"The bag {str(directory)!r} cannot be packed: {first.message}",
            hint="Make it again, or change it with update_bag().",
            path=first.path,
        )
    with staging(archive.absolute(), f"packing a bag into {str(archive)!r}") as place:
        members = _members(directory)
        if without_listed:
            listed = {entry.path for entry in read_bag(directory).fetch}
            members = [path for path in members if path not in listed]
        building = place / "archive"
        with building.open("wb") as out:
            if archiver == "zip":
                _write_zip(directory, folder, members, out, progress)
            elif archiver == "tar":
                _write_tar(directory, folder, members, out, progress)
            else:
                # The time and the name that gzip notes would differ each time.
                with gzip.GzipFile("", "wb", 6, fileobj=out, mtime=0) as packed:
                    _write_tar(directory, folder, members, cast("BinaryIO", packed), progress)
        _refuse_existing(archive)
        building.replace(archive)
    return archive


def _refuse_existing(archive: Path) -> None:
    if os.path.lexists(archive):
        raise Conflict(
            f"A bag cannot be packed into {str(archive)!r}: it exists.",
            hint="Choose another name, or remove what is there.",
        )


def _members(directory: Path) -> list[str]:
    """Files and folders without files, in one order; a folder ends in ``/``.

    Raises:
        Conflict: Two of them are one where letter case does not count.
        Corrupted: There is something that is no ordinary file.
    """
    found: list[str] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(directory / folder) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
        if not names and folder:
            found.append(folder)
        for entry in names:
            path = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                found.append(path)
            else:
                raise Corrupted(
                    f"{path!r} in the bag {str(directory)!r} is no ordinary file.", path=path
                )
    refuse_clashes(found)
    return sorted(found)


def refuse_clashes(paths: Iterable[str]) -> None:
    """Refuse paths that are one file where letter case does not count.

    Raises:
        Conflict: Two of them are.
    """
    known: dict[str, str] = {}
    for path in paths:
        other = known.setdefault(clash_key(path), path)
        if other != path:
            raise Conflict(
                f"{other!r} and {path!r} differ in letter case only.",
                hint="They would be one file on some systems; rename one of them.",
                path=path,
            )


def _write_zip(
    directory: Path,
    folder: str,
    members: Iterable[str],
    out: BinaryIO,
    progress: Progress | None,
) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for path in members:
            entry = zipfile.ZipInfo(f"{folder}/{path}", _EPOCH)
            if entry.is_dir():
                entry.external_attr = 0o40755 << 16 | 0x10
                archive.writestr(entry, b"")
                continue
            packed = Path(path).suffix.lower() not in _COMPRESSED
            entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            entry.external_attr = 0o100644 << 16
            # The length decides on the form of the entry, which must not depend on the machine.
            entry.file_size = os.stat(directory / path).st_size  # noqa: PTH116
            with (directory / path).open("rb") as source, archive.open(entry, "w") as target:
                _copy(source, cast("BinaryIO", target), progress)


def _write_tar(
    directory: Path,
    folder: str,
    members: Iterable[str],
    out: BinaryIO,
    progress: Progress | None,
) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in members:
            member = tarfile.TarInfo(f"{folder}/{path}".rstrip("/"))
            member.mtime = 0
            if path.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
                continue
            with (directory / path).open("rb") as source:
                member.size = os.fstat(source.fileno()).st_size
                archive.addfile(member, source)
            if progress is not None:
                progress(member.size)


def _copy(source: BinaryIO, target: BinaryIO, progress: Progress | None) -> None:
    while piece := source.read(_PIECE):
        target.write(piece)
        if progress is not None:
            progress(len(piece))
