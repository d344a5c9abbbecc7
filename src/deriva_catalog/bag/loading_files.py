"""The files of a bag's rows: brought into the store of a catalog, or pointed to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Corrupted, NotFound
from ..interface import Catalog, Row
from ..model.elements import Table
from ..objects import Content, Upload
from ..objects.names import PREFIX, encode_part, parse_name
from .completing import Fetcher, materialize
from .export import ASSET
from .loading_policy import LoadPolicy, some_of
from .names import inside
from .tags import read_bag

__all__ = ["Files", "url_column"]

_PLACE = "data/asset/"
_AT_ONCE = 2_000


def url_column(table: Table) -> str | None:
    """The column that holds the URLs of files; None when the table holds no files."""
    return next((c.name for c in table.columns if ASSET in c.annotations), None)


@dataclass(slots=True)
class _File:
    """A file of a row: where the bag lists it, and what it must be."""

    path: str
    url: str | None
    digests: Mapping[str, str]


@dataclass(slots=True)
class Files:
    """The files of the rows that are inserted or replaced.

    Attributes:
        uploaded: How many were brought into the store.
        reused: How many the store had.
        listed: How many stay where they are.
    """

    directory: Path
    catalog: Catalog
    policy: LoadPolicy
    uploaded: int = 0
    reused: int = 0
    listed: int = 0
    _by_rid: dict[str, _File] = field(default_factory=dict)
    _uploads: list[tuple[str, Upload]] = field(default_factory=list)
    _urls: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: Path, catalog: Catalog, policy: LoadPolicy) -> Files:
        """The files that the manifests of a bag list, by the RIDs of their rows."""
        bag = read_bag(directory)
        fetch = {entry.path: entry for entry in bag.fetch}
        found = cls(directory, catalog, policy)
        for path, digests in bag.payload.items():
            if path.startswith(_PLACE):
                rid = path[len(_PLACE) :].partition("/")[0]
                entry = fetch.get(path)
                url = None if entry is None else entry.url
                found._by_rid[rid] = _File(path, url, digests)
        return found

    def prepare(self, rows: Iterable[tuple[Table, Row]], fetcher: Fetcher | None) -> None:
        """Store the bytes of the files of rows, or find out where they stay.

        Nothing refers to the bytes before `register` is called.

        Raises:
            NotFound: A file is neither in the bag nor in the store, and there is no fetcher.
            Corrupted: Bytes are not what the manifest lists.
        """
        wanted = [(t, row) for t, row in rows if row["RID"] in self._by_rid]
        if self.policy.files == "rows":
            for table, row in wanted:
                self._point(table, row)
            return
        self._complete([self._by_rid[row["RID"]] for _, row in wanted], fetcher)
        for start in range(0, len(wanted), _AT_ONCE):
            self._store(wanted[start : start + _AT_ONCE])
        digests = {u.content.sha256 for _, u in self._uploads if u.content is not None}
        self.catalog.objects.content.flush(digests)

    def register(self) -> None:
        """Give the stored bytes their names, in the caller's transaction."""
        uploads = [upload for _, upload in self._uploads]
        if uploads:
            reuse = self.policy.files == "missing"
            versions = self.catalog.objects.register(uploads, reuse=reuse)
            for (rid, _), version in zip(self._uploads, versions, strict=True):
                self._urls[rid] = version.url

    def placed(self, table: Table) -> Callable[[Row], Row]:
        """What gives a row of the bag the URL that its file has for the catalog."""
        column = url_column(table)
        if column is None or not self._urls:
            return lambda row: row
        urls = self._urls
        return lambda row: row | {column: urls[row["RID"]]} if row["RID"] in urls else row

    def parted(self, rows: list[Row], table: Table) -> tuple[list[Row], list[Row]]:
        """Rows with the URLs that their files have for the catalog, and others without URLs.

        The others are those whose URL means something in the catalog of the bag alone.
        """
        column, placed = url_column(table), self.placed(table)
        if column is None:
            return rows, []
        with_url: list[Row] = []
        without: list[Row] = []
        for row in rows:
            if row["RID"] in self._urls or not _is_local(row[column]):
                with_url.append(placed(row))
            else:
                without.append({c: value for c, value in row.items() if c != column})
        return with_url, without

    # --- files that stay -------------------------------------------------------------

    def _point(self, table: Table, row: Row) -> None:
        """Let a URL that means something in the other catalog alone say where the file is."""
        column = url_column(table)
        listed = self._by_rid[row["RID"]].url
        self.listed += 1
        given = str(row[column or "URL"])
        if listed is None or not _is_local(given):
            return
        # Equal files of two rows are one file on a disk, but the URLs of rows differ.
        is_served = listed.startswith(("http:", "https:"))
        self._urls[row["RID"]] = listed if is_served else f"{listed}#{given}"

    # --- files that come along -------------------------------------------------------

    def _complete(self, files: list[_File], fetcher: Fetcher | None) -> None:
        """Bring into the bag what is neither there nor in the store."""
        absent = [f for f in files if not self._in_bag(f)]
        stored = self._stored(absent)
        missing = [
            f for f in absent if "md5" not in f.digests or f.digests.get("sha256") not in stored
        ]
        if not missing:
            return
        if fetcher is None:
            raise NotFound(
                f"{len(missing)} files are neither in the bag {str(self.directory)!r} nor in the "
                f"catalog's store.{some_of(f.path for f in missing)}",
                hint="Complete the bag first (materialize), or load its rows only.",
            )
        materialize(self.directory, fetcher, paths={file.path for file in missing})

    def _in_bag(self, file: _File) -> bool:
        return inside(self.directory, file.path).is_file()

    def _stored(self, files: list[_File]) -> dict[str, int]:
        """What the store has of files that it can name, with the lengths."""
        if self.policy.files != "missing":
            return {}
        digests = [
            f.digests["sha256"] for f in files if "sha256" in f.digests and "md5" in f.digests
        ]
        return self.catalog.objects.content.lengths(digests) if digests else {}

    def _store(self, wanted: list[tuple[Table, Row]]) -> None:
        files = [self._by_rid[row["RID"]] for _, row in wanted]
        here = [n for n, file in enumerate(files) if self._in_bag(file)]
        paths = [inside(self.directory, files[n].path) for n in here]
        store = self.catalog.objects.content
        contents: dict[int, Content] = dict(zip(here, store.add_many(paths), strict=True))
        stored = self._stored([file for n, file in enumerate(files) if n not in contents])
        for n, file in enumerate(files):
            content = contents.get(n)
            if content is None:
                self.reused += 1
                sha256 = file.digests["sha256"]
                content = Content(stored.get(sha256, 0), file.digests["md5"], sha256)
            else:
                self.uploaded += 1
                _verify(file, content)
            table, row = wanted[n]
            self._uploads.append((row["RID"], self._upload(table, row, file, content)))

    def _upload(self, table: Table, row: Row, file: _File, content: Content) -> Upload:
        url = str(row[url_column(table) or "URL"])
        base = file.path.rpartition("/")[2]
        name = f"{PREFIX}/{encode_part(table.name)}/{content.md5}.{encode_part(base)}"
        if not _is_local(url):
            return Upload(name, content=content, filename=base)
        there = parse_name(url)
        version = there.version if self.policy.files == "missing" else None
        return Upload(there.path, content=content, filename=base, version=version)


def _is_local(url: object) -> bool:
    """Whether a URL means something in one catalog only."""
    return str(url).startswith(PREFIX + "/")


def _verify(file: _File, content: Content) -> None:
    known = {"md5": content.md5, "sha256": content.sha256}
    for kind, digest in file.digests.items():
        if kind in known and known[kind] != digest:
            raise Corrupted(
                f"{file.path!r} in the bag has the {kind} {known[kind]}, its manifest says "
                f"{digest}.",
                hint="Get the bag again from where it was made.",
                path=file.path,
            )
