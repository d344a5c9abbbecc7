"""Taking a bag out of an archive that nobody vouches for.

Every name is looked at before anything is written under it, bytes are counted as they come and
not as the archive announces them, and what was unpacked is compared with the bag's own manifests.
The bag appears when all of that is done; otherwise nothing is left.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import CatalogError, Conflict, Corrupted, NotFound
from ..objects.content import Progress
from .names import clash_key, is_device
from .staging import staging
from .tags import DECLARATION
from .validation import BagReport, validate

_PIECE = 1 << 18
_LARGEST_HEADER = 1 << 20
_RATIO_COUNTS_FROM = 64 << 20
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may hold.

    Attributes:
        files: How many files and folders.
        length: How many bytes in all, unpacked.
        ratio: How many times the bytes of the archive; small archives (up to 64 MB unpacked) are
            exempt, since a table of empty columns packs very well.
        depth: How many folders a file may lie in.
    """

    files: int = 2_000_000
    length: int = 1 << 42
    ratio: float = 250.0
    depth: int = 64


def unpack_bag(
    archive: Path | str,
    directory: Path | str,
    *,
    limits: ArchiveLimits | None = None,
    hashes: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Unpack a bag from a zip or tar file (plain, gzip, bzip2, xz); returns its directory.

    The kind of file is told by its beginning, not by its name. The bag is compared with its
    manifests; files that ``fetch.txt`` lists may be missing.

    Args:
        archive: The file.
        directory: Where the bag shall be; must not exist.
        limits: How much it may hold.
        hashes: Hash the files; otherwise only their names and total length are compared.
        progress: Told the bytes of each piece that was unpacked.

    Raises:
        NotFound: There is no such file.
        Conflict: `directory` exists.
        Corrupted: It is no archive of one bag, is damaged, holds more than `limits` allow, has a
            name or an entry that is refused, or the bag is not what its manifests say. The fact
            ``path`` names the file.
        Unavailable: The bag cannot be written.
    """
    archive, directory = Path(archive), Path(directory)
    if not archive.is_file():
        raise NotFound(f"There is no archive {str(archive)!r}.")
    if directory.exists() or directory.is_symlink():
        raise Conflict(
            f"A bag cannot be unpacked to {str(directory)!r}: it exists.",
            hint="Choose another name, or remove what is there.",
        )
    with staging(directory.absolute(), f"unpacking {str(archive)!r}") as place:
        inside = place / "content"
        inside.mkdir()
        with _told(archive):
            packed = archive.stat().st_size
            _Unpacking(archive, inside, limits or ArchiveLimits(), progress, packed).run()
        bag = _only_bag(archive, inside)
        (bag / "data").mkdir(exist_ok=True)  # not every tool packs a folder without files
        refuse_damage(archive, validate(bag, fast=not hashes))
        bag.rename(directory)
    return directory


def refuse_damage(what: Path, report: BagReport) -> None:
    """Refuse a bag that is not what its manifests say.

    Raises:
        Corrupted: With the first finding, and its file as the fact ``path``.
    """
    if report.valid:
        return
    first, more = report.findings[0], len(report.findings) - 1
    also = f" (and {more} more findings)" if more else ""
    raise Corrupted(
        f"The bag in {str(what)!r} is not what it says: {first.message}{also}",
        hint="Do not use it; get it again from where it was made.",
        path=first.path,
    )


def _only_bag(archive: Path, inside: Path) -> Path:
    found = sorted(inside.iterdir())
    if (inside / DECLARATION).is_file():
        return inside
    if len(found) == 1 and found[0].is_dir():
        return found[0]
    names = ", ".join(repr(entry.name) for entry in found[:10]) or "nothing"
    raise Corrupted(
        f"{str(archive)!r} is no archive of one bag: it holds {names}.",
        hint="It should hold one folder, which is the bag.",
    )


@contextmanager
def _told(archive: Path) -> Iterator[None]:
    """Turn what the readers of archives raise into `Corrupted`."""
    try:
        yield
    except CatalogError:
        raise
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        UnicodeError,
        OSError,
    ) as error:
        # What archives are damaged by has no number, as with bzip2; what the system refuses has.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Corrupted(
            f"{str(archive)!r} cannot be unpacked: {error or type(error).__name__}.",
            hint="It is damaged or packed in an unusual way; get it again.",
        ) from error


@dataclass(slots=True)
class _Unpacking:
    """One archive on its way to a directory, and what was seen of it so far."""

    archive: Path
    place: Path
    limits: ArchiveLimits
    progress: Progress | None
    packed: int
    length: int = 0
    entries: int = 0
    known: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def run(self) -> None:
        """Unpack everything."""
        with self.archive.open("rb") as file:
            is_zip = file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
        if is_zip:
            self._zip()
            return
        with self._decompressed() as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            self._tar(tar)

    # --- zip -------------------------------------------------------------------------

    def _zip(self) -> None:
        with zipfile.ZipFile(self.archive) as archive:
            for entry in archive.infolist():
                name = entry.orig_filename
                kind = stat.S_IFMT(entry.external_attr >> 16)
                folder = name.endswith("/")
                if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
                    raise self._refused(name, "is a link or a device, not a file")
                if entry.flag_bits & 0x1:
                    raise self._refused(name, "is encrypted")
                target = self._claim(name, folder=folder)
                if folder:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                with archive.open(entry) as source:
                    self._write(name, target, source.read)

    # --- tar -------------------------------------------------------------------------

    @contextmanager
    def _decompressed(self) -> Iterator[BinaryIO]:
        """The tar file, whatever it is packed with; its bytes are counted."""
        with self.archive.open("rb") as raw:
            start = raw.read(6)
            raw.seek(0)
            if start.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield cast("BinaryIO", _Metered(stream))
            elif start.startswith(b"BZh"):
                with bz2.BZ2File(raw) as packed:
                    yield cast("BinaryIO", _Metered(packed))
            elif start.startswith(b"\xfd7zXZ\0"):
                with lzma.LZMAFile(raw) as packed_xz:
                    yield cast("BinaryIO", _Metered(packed_xz))
            else:
                yield cast("BinaryIO", _Metered(raw))

    def _tar(self, tar: tarfile.TarFile) -> None:
        while member := tar.next():
            cast(Any, tar).members = []  # it would remember every entry
            if not (member.isdir() or (member.isreg() and not member.issparse())):
                raise self._refused(member.name, "is a link or a device, not a file")
            if member.name in (".", "./") and member.isdir():
                continue
            target = self._claim(member.name, folder=member.isdir())
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            self._bound(member.name, member.size)
            source = tar.extractfile(member)
            if source is None:
                raise self._refused(member.name, "is no ordinary file")
            self._write(member.name, target, source.read)

    # --- both ------------------------------------------------------------------------

    def _claim(self, name: str, *, folder: bool) -> Path:
        """Where an entry goes; each name may come once, in one spelling."""
        self.entries += 1
        if self.entries > self.limits.files:
            raise self._too_much(name, f"more than {self.limits.files:,} files and folders")
        parts = self._parts(name)
        path = ""
        for number, part in enumerate(parts, start=1):
            path = f"{path}/{part}" if path else part
            last = number == len(parts)
            is_file = last and not folder
            known = self.known.setdefault(clash_key(path), (path, is_file))
            if known[0] != path:
                raise self._refused(name, f"differs from {known[0]!r} in letter case only")
            if known[1] != is_file:
                raise self._refused(name, f"makes {path!r} both a file and a folder")
            if is_file and (target := self.place / path).exists():
                raise self._refused(name, "is there twice")
        target = self.place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _parts(self, name: str) -> list[str]:
        path = name.removesuffix("/")
        while path.startswith("./"):
            path = path[2:]
        parts = path.split("/")
        if path.startswith(("/", "~")) or _DRIVE.match(path):
            raise self._refused(name, "is an absolute name")
        if any(part in ("", ".", "..") for part in parts) or "\\" in path:
            raise self._refused(name, "may lead out of the archive")
        if any(character < " " or character == "\x7f" for character in path):
            raise self._refused(name, "has a control character")
        if device := next((part for part in parts if is_device(part)), None):
            raise self._refused(name, f"has the part {device!r}, which names a device")
        if len(parts) > self.limits.depth or any(len(part.encode()) > 255 for part in parts):
            raise self._refused(name, "is too deep or too long")
        return parts

    def _write(self, name: str, target: Path, read: Callable[[int], bytes]) -> None:
        with target.open("xb") as out:
            while piece := read(_PIECE):
                self.length += len(piece)
                self._bound(name)
                out.write(piece)
                if self.progress is not None:
                    self.progress(len(piece))

    def _bound(self, name: str, coming: int = 0) -> None:
        total = self.length + coming
        if total > self.limits.length:
            raise self._too_much(name, f"more than {self.limits.length:,} bytes")
        if total > _RATIO_COUNTS_FROM and total > self.packed * self.limits.ratio:
            raise self._too_much(name, f"more than {self.limits.ratio:g} times its own bytes")

    def _too_much(self, name: str, what: str) -> Corrupted:
        return Corrupted(
            f"{str(self.archive)!r} holds {what}; unpacking was given up at {name!r}.",
            hint="If you trust it, give unpack_bag() other ArchiveLimits.",
            path=name,
        )

    def _refused(self, name: str, why: str) -> Corrupted:
        return Corrupted(
            f"The entry {name!r} of {str(self.archive)!r} is refused: it {why}.",
            hint="Do not use this archive; get the bag again from where it was made.",
            path=name,
        )


class _Metered:
    """A stream that is never asked for much at once: headers could announce any length."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            Corrupted: More are asked for than any header needs.
        """
        if size < 0 or size > _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes is not believed")
        return bytes(self._stream.read(size))
