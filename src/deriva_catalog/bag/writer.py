"""Writing a bag: staged beside its place, hashed on the way, visible only when complete.

Equal contents give equal bytes: there are no times in the tag files and their lines are sorted.
Files are not flushed to the disk one by one. After a loss of power a bag may be damaged; it can
be made again, and `validate` tells.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import BadRequest, Conflict
from ..objects import Content, Source
from ..objects.content import Hasher, Progress, pieces
from ..objects.contract import Contents
from .names import payload_path
from .staging import staging, storage_errors, storage_failure
from .tags import (
    DECLARATION,
    FETCH,
    INFO,
    Digests,
    FetchEntry,
    check_labels,
    fetch_bytes,
    info_bytes,
    manifest_bytes,
)

_OXUM = "Payload-Oxum"
_URL = re.compile(r"(?:file:|[A-Za-z][A-Za-z0-9+.-]*://[!-.0-~])[!-~]*")


class BagWriter:
    """Writes one bag; use it in a ``with`` statement.

    The bag appears at `directory` when the statement ends without an error; otherwise nothing
    is left. Files may be added by several threads at once.

    Args:
        directory: Where the bag shall be; must not exist.
        info: Labels and values for ``bag-info.txt``.

    Raises:
        BadRequest: A label is none.
        Conflict: `directory` exists.
        Unavailable: It cannot be written.
    """

    def __init__(self, directory: Path | str, info: Mapping[str, str] | None = None) -> None:
        self.directory = Path(directory).absolute()
        self._info = dict(info or {})
        check_labels(self._info)
        self._contents: dict[str, tuple[int, str, str | None]] = {}
        self._fetch: list[FetchEntry] = []
        self._folders = {"data"}
        self._tags: tuple[str, ...] = ()
        self._absent: set[str] = set()
        self._root = ""
        self._lock = threading.Lock()
        self._purpose = f"writing the bag {str(self.directory)!r}"
        self._life = ExitStack()

    def __enter__(self) -> Self:
        self._refuse_existing()
        with ExitStack() as life:
            # Inside a directory of its own, which stays when the bag is renamed out of it.
            self._staging = life.enter_context(staging(self.directory, self._purpose)) / "bag"
            (self._staging / "data").mkdir(parents=True)
            self._root = str(self._staging)
            self._life = life.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._life:
            if kind is None:
                self._finish()

    # --- what it holds, once it is written -------------------------------------------

    @property
    def payload(self) -> dict[str, Digests]:
        """The digests of every payload file, by algorithm: what its manifests say."""
        return {
            path: {"md5": md5} if sha256 is None else {"md5": md5, "sha256": sha256}
            for path, (_, md5, sha256) in self._contents.items()
        }

    @property
    def paths(self) -> list[str]:
        """Every file and folder that is there, also of tags; not what is listed only."""
        files = [path for path in self._contents if path not in self._absent]
        return [*self._tags, *self._folders, *files]

    # --- payload ---------------------------------------------------------------------

    def add(self, path: str, source: Source, progress: Progress | None = None) -> Content:
        """Write a payload file from bytes, a path, a file or pieces, as a stream.

        Args:
            path: Where in the bag; starts with ``data/``.
            source: Its bytes.
            progress: Told the bytes of each piece.

        Raises:
            BadRequest: `path` cannot be in a bag.
            Conflict: The bag has such a file.
            Unavailable: The file cannot be written.
        """
        place = self._claim(path)
        hasher = Hasher()
        with storage_errors(self._purpose), Path(place).open("xb") as out:
            for piece in pieces(source):
                hasher.update(piece)
                out.write(piece)
                if progress is not None:
                    progress(len(piece))
        content = hasher.content
        self._contents[path] = (content.length, content.md5, content.sha256)
        return content

    def add_stored(
        self,
        path: str,
        store: Contents,
        content: Content,
        *,
        link: bool = True,
        url: str | Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Take a payload file from an object store: linked if possible, else copied and hashed.

        Args:
            path: Where in the bag.
            store: Where the bytes are.
            content: Which bytes.
            link: Whether a hard link will do; it is read-only.
            url: Also list the file in ``fetch.txt``, so that the bag is the same as one that
                was written without the file and completed later. Several URLs are tried in
                order.
            progress: Told the bytes of each piece.

        Raises:
            NotFound: The store does not have the content.
            Corrupted: The stored bytes are damaged.
        """
        place = self._claim(path)
        if link and store.link(content.sha256, place):
            if progress is not None:
                progress(content.length)
        else:
            store.get(content, Path(place), progress=progress)
        self._contents[path] = (content.length, content.md5, content.sha256)
        if url is not None:
            self._list(listed_entry(path, url, content.length))

    def add_fetch(
        self,
        path: str,
        url: str | Sequence[str],
        *,
        length: int,
        md5: str,
        sha256: str | None = None,
    ) -> None:
        """List a payload file without its bytes; `materialize` gets them.

        Args:
            path: Where in the bag it will be.
            url: Where to get it: an absolute URL, or several, which are tried in order.
            length: Its length in bytes.
            md5: Its MD5 in hexadecimal.
            sha256: Its SHA-256 in hexadecimal, if known.

        Raises:
            BadRequest: `path` or `url` cannot be in a bag.
            Conflict: The bag has such a file.
        """
        entry = listed_entry(path, url, length)
        self._claim(path, folder=False)
        known = None if sha256 is None else sha256.lower()
        self._contents[path] = (length, md5.lower(), known)
        self._absent.add(path)
        self._list(entry)

    def _list(self, entry: FetchEntry) -> None:
        with self._lock:
            self._fetch.append(entry)

    def _claim(self, path: str, *, folder: bool = True) -> str:
        payload_path(path)
        with self._lock:
            if path in self._contents:
                raise Conflict(f"The bag {str(self.directory)!r} already has a file {path!r}.")
            self._contents[path] = (0, "", None)
        if folder:
            try:
                self._make_folder(path.rpartition("/")[0])
            except OSError as error:
                raise storage_failure(self._purpose, error) from error
        return f"{self._root}/{path}"

    def _make_folder(self, folder: str) -> None:
        # Each folder is tried once, outermost first: a bag has thousands of them.
        if folder in self._folders:
            return
        self._make_folder(folder.rpartition("/")[0])
        try:
            os.mkdir(f"{self._root}/{folder}")  # noqa: PTH102
        except FileExistsError:
            return  # another thread was faster
        self._folders.add(folder)

    # --- the end ---------------------------------------------------------------------

    def _finish(self) -> None:
        whole = all(sha256 is not None for _, _, sha256 in self._contents.values())
        total = sum(length for length, _, _ in self._contents.values())
        # From version 1.0 on, every manifest must list every file.
        version = "1.0" if whole else "0.97"
        info = self._info | {_OXUM: f"{total}.{len(self._contents)}"}
        tags = {
            DECLARATION: f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n".encode(),
            INFO: info_bytes(info),
            "manifest-md5.txt": manifest_bytes({p: c[1] for p, c in self._contents.items()}),
            "manifest-sha256.txt": manifest_bytes(
                {p: c[2] for p, c in self._contents.items() if c[2] is not None}
            ),
        }
        if self._fetch:
            tags[FETCH] = fetch_bytes(self._fetch)
        for algorithm in ("md5", "sha256"):
            digests = {
                name: hashlib.new(algorithm, data).hexdigest()
                for name, data in tags.items()
                if not name.startswith("tagmanifest")
            }
            tags[f"tagmanifest-{algorithm}.txt"] = manifest_bytes(digests)
        with storage_errors(self._purpose):
            for name, data in tags.items():
                (self._staging / name).write_bytes(data)
            self._tags = tuple(tags)
            self._refuse_existing()
            self._staging.rename(self.directory)

    def _refuse_existing(self) -> None:
        if self.directory.exists() or self.directory.is_symlink():
            raise Conflict(
                f"A bag cannot be written to {str(self.directory)!r}: it exists.",
                hint="Choose another name, or remove what is there.",
            )


def listed_entry(
    path: str,
    url: str | Sequence[str],
    length: int | None,
    digests: Mapping[str, str] | None = None,
) -> FetchEntry:
    """What ``fetch.txt`` says of a file that is at one URL, or at several.

    Raises:
        BadRequest: There is no URL, or one is not absolute.
    """
    urls = dict.fromkeys([url] if isinstance(url, str) else url)
    if not urls:
        raise BadRequest(f"{path!r} cannot be listed in a bag without a URL.")
    first, *others = map(_checked_url, urls)
    return FetchEntry(first, length, path, digests or {}, tuple(others))


def _checked_url(url: str) -> str:
    if _URL.fullmatch(url) is None:
        raise BadRequest(
            f"{url!r} cannot be listed in a bag: it is not an absolute URL.",
            hint="It needs a scheme and a host, and characters beyond ASCII percent-encoded.",
        )
    return url
