"""A backup in one file: a tar archive, perhaps compressed."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..errors import BadRequest, CatalogError, Conflict, Corrupted, NotFound, Unavailable

_ENDINGS = (".tar", ".tar.gz", ".tgz")
_OTHERS = (".zip", ".7z", ".gz", ".bz2", ".xz", ".zst", ".rar")
_ROOT = "catalog"


def is_archive(path: Path) -> bool:
    """Whether a path has the name of an archive.

    Raises:
        BadRequest: It has that of one which is not written: it would become a directory.
    """
    if path.name.endswith(_ENDINGS):
        return True
    if path.name.endswith(_OTHERS):
        raise BadRequest(
            f"A backup cannot be written to {path.name!r}.",
            hint=f"One file has a name that ends in {', '.join(_ENDINGS)}; others are directories.",
        )
    return False


def pack(copy: Callable[[Path], object], destination: Path) -> None:
    """Write an archive, which appears when it is complete.

    Args:
        copy: Writes the directory to be packed to the path it is given.
        destination: The archive; must not exist.

    Raises:
        Conflict: `destination` exists.
        Unavailable: It cannot be written.
    """
    if destination.exists():
        raise Conflict(
            f"A copy cannot be written to {str(destination)!r}: it exists.",
            hint="Choose another name.",
        )
    mode: Literal["w", "w:gz"] = "w" if destination.name.endswith(".tar") else "w:gz"
    with _beside(destination, "writing") as temporary:
        copy(temporary / _ROOT)
        packed = temporary / "packed"
        with tarfile.open(packed, mode) as archive:
            archive.add(temporary / _ROOT, _ROOT)
        packed.rename(destination)


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Give the directory of a backup: `source` itself, or what an archive holds.

    Raises:
        NotFound: There is no `source`.
        Corrupted: It is no archive, or damaged.
    """
    if not source.exists():
        raise NotFound(f"There is no backup {str(source)!r}.", hint="Check the path.")
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="deriva-catalog-") as name:
        _extract(source, Path(name))
        yield Path(name) / _ROOT


def _extract(source: Path, directory: Path) -> None:
    try:
        with tarfile.open(source) as archive:
            archive.extractall(directory, filter="data")
        if not (directory / _ROOT).is_dir():
            raise _no_backup(source, f"it has no directory {_ROOT!r}")
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise _no_backup(source, str(error).partition("\n")[0].rstrip(":")) from error
    except Corrupted:
        raise
    except OSError as error:
        raise Unavailable(
            f"The backup {str(source)!r} cannot be unpacked: {error}.",
            hint="Check the space on the device of temporary files, and the file itself.",
        ) from error


def _no_backup(source: Path, problem: str) -> Corrupted:
    return Corrupted(
        f"{str(source)!r} is no backup, or is damaged: {problem}.",
        hint="A backup is a directory or a file that 'deriva-catalog backup' wrote.",
    )


@contextmanager
def _beside(place: Path, doing: str) -> Iterator[Path]:
    temporary: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
        yield temporary
    except CatalogError:
        raise
    except OSError as error:
        raise Unavailable(
            f"The storage failed while {doing} {str(place)!r}: {error}.",
            hint="Check the space on the device and the rights on the directory.",
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
