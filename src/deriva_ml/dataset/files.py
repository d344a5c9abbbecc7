"""Datasets of files that stay where they are: one for each directory, nested like them.

Everything of one call is written in one transaction, each table in batches: ten thousand files
in a thousand directories take a few dozen statements.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from deriva_catalog.interface import Row
from deriva_ml.core.arguments import check_text, words
from deriva_ml.core.constants import SENTINEL_FILE_URL
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.filespec import FileSpec
from deriva_ml.core.query import any_of, attributes, equals, name_of, without
from deriva_ml.core.session import Session
from deriva_ml.core.vocabulary import Vocabularies

from .history import FIRST_VERSION, Versions

__all__ = ["FilesToAdd", "files_to_add", "list_files", "write_files"]

Place = tuple[str, ...]
_KINDS = (
    ("File", "Files that are kept outside of the object store."),
    ("Directory", "The files of one directory."),
)
_DEFAULT_TYPE = "File"


@dataclass(frozen=True, slots=True)
class FilesToAdd:
    """What one call of ``add_files`` is to write, checked.

    Attributes:
        files: The files by URL, each once.
        dataset_types: Terms of ``Dataset_Type`` for every dataset, besides the usual two.
        description: Of the top dataset.
        chunk_size: How many rows go into one statement.
        root: The directories above all files, from the outermost on.
        root_name: What the top directory is called.
    """

    files: Mapping[str, FileSpec]
    dataset_types: tuple[str, ...]
    description: str
    chunk_size: int
    root: Place
    root_name: str

    def told(self) -> dict[str, Any]:
        """The same as a journal keeps it: short, whatever the number of files."""
        digest = hashlib.sha256()
        for url, file in sorted(self.files.items()):
            digest.update(repr((url, file.md5, sorted(file.file_types))).encode())
        return {
            "files": f"{len(self.files)} files, {digest.hexdigest()[:32]}",
            "dataset_types": sorted(self.dataset_types),
            "description": self.description,
            "root_name": self.root_name,
        }

    def directories(self) -> dict[Place, list[str]]:
        """The URLs of the files of each directory, outer directories first, the top one first."""
        inside: dict[Place, list[str]] = {self.root: []}
        for url, file in self.files.items():
            place = file.location[:-1]
            inside.setdefault(place, []).append(url)
            while len(place) > len(self.root):
                place = place[:-1]
                inside.setdefault(place, [])
        return dict(sorted(inside.items(), key=lambda item: (len(item[0]), item[0])))

    def relative(self, place: Place) -> str:
        """What is kept as the path of a directory: a name for the top one, else from there on."""
        return "/".join(place[len(self.root) :]) or self.root_name


def files_to_add(
    vocabularies: Vocabularies,
    files: Iterable[FileSpec | Mapping[str, Any]],
    dataset_types: str | Iterable[str] | None,
    description: str,
    chunk_size: int,
    root_name: str | None,
) -> FilesToAdd:
    """Check what a caller wants to add; nothing is written.

    Raises:
        DerivaMLValidationError: There are no files, one is not described as a file, two with one
            URL differ, or `chunk_size` is no number of rows.
        DerivaMLInvalidTerm: A type of a file or of the datasets is not a term.
    """
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, int) or chunk_size < 1:
        raise DerivaMLValidationError(
            f"chunk_size is a number of rows, 1 or more, not {chunk_size!r}."
        )
    known = _by_url(files)
    if not known:
        raise DerivaMLValidationError(
            "There are no files to add. FileSpec.create_filespecs() describes those of a "
            "directory; perhaps it is empty."
        )
    names = {name for file in known.values() for name in file.file_types}
    terms = dict(zip(names, vocabularies.lookup_terms(MLVocab.asset_type, names), strict=True))
    typed = {
        url: file.model_copy(
            update={"file_types": sorted({terms[n].name for n in file.file_types})}
        )
        for url, file in known.items()
    }
    kinds = words(dataset_types, "dataset_types")
    usual = {name for name, _ in _KINDS}
    found = vocabularies.lookup_terms(MLVocab.dataset_type, [k for k in kinds if k not in usual])
    root = _common([file.location[:-1] for file in known.values()])
    called = check_text(root_name, "root_name") if root_name is not None else ""
    return FilesToAdd(
        files=typed,
        dataset_types=tuple(dict.fromkeys(t.name for t in found)),
        description=check_text(description, "description"),
        chunk_size=chunk_size,
        root=root,
        root_name=called or (root[-1].rpartition("://")[2] if root else "files"),
    )


def _by_url(files: Iterable[FileSpec | Mapping[str, Any]]) -> dict[str, FileSpec]:
    """The files by URL; types of a file that is listed more than once are put together."""
    if isinstance(files, str | Mapping | FileSpec) or not isinstance(files, Iterable):
        raise DerivaMLValidationError(f"files is a list of FileSpec, not {files!r}.")
    known: dict[str, FileSpec] = {}
    for given in files:
        try:
            file = given if isinstance(given, FileSpec) else FileSpec.model_validate(given)
        except ValidationError as error:
            raise DerivaMLValidationError(f"{given!r} does not describe a file: {error}") from error
        before = known.get(file.url)
        if before is None:
            known[file.url] = file
        elif (before.md5, before.length) != (file.md5, file.length):
            raise DerivaMLValidationError(
                f"{file.url!r} is listed twice with different content: {before.md5} with "
                f"{before.length} bytes and {file.md5} with {file.length} bytes."
            )
        else:
            types = [*before.file_types, *file.file_types]
            known[file.url] = before.model_copy(update={"file_types": types})
    return known


def _common(places: Sequence[Place]) -> Place:
    """The directories that all places begin with."""
    first, last = min(places), max(places)
    length = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        length += 1
    return first[:length]


# --- writing: inside the caller's transaction --------------------------------------------


def write_files(
    session: Session,
    vocabularies: Vocabularies,
    add: FilesToAdd,
    execution: str,
    snaptime: str,
    rid: str | None,
) -> str:
    """Insert the files, and a dataset for each directory; returns the RID of the top one.

    Args:
        session: The catalog, inside a transaction.
        vocabularies: Its vocabularies.
        add: What to write.
        execution: The execution that the datasets are attributed to.
        snaptime: The transaction's snapshot.
        rid: A RID that was leased for the top dataset, if one was.

    Raises:
        DerivaMLValidationError: The catalog knows a file by one of the URLs with other content.
    """
    vocabularies.ensure_terms(MLVocab.dataset_type, _KINDS)
    writer = _Writer(session, add.chunk_size)
    files = writer.files(add.files)
    places = add.directories()
    datasets = writer.datasets(add, list(places), rid)
    writer.insert(
        "Dataset_Dataset_Type",
        (
            {"Dataset": dataset, "Dataset_Type": name}
            for dataset in datasets.values()
            for name in (*(n for n, _ in _KINDS), *add.dataset_types)
        ),
    )
    writer.insert(
        "Directory_Dataset",
        ({"Dataset": datasets[place], "Path": add.relative(place)} for place in places),
    )
    writer.insert(
        "Dataset_File",
        (
            {"Dataset": datasets[place], "File": files[url]}
            for place, urls in places.items()
            for url in urls
        ),
    )
    writer.insert(
        "Dataset_Dataset",
        (
            {"Dataset": datasets[place[:-1]], "Nested_Dataset": datasets[place]}
            for place in places
            if place != add.root
        ),
    )
    Versions(session).begin(datasets.values(), FIRST_VERSION, execution, snaptime)
    return datasets[add.root]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Inserts rows of the ML schema, some at a time."""

    session: Session
    chunk_size: int

    def insert(
        self,
        table: str,
        rows: Iterable[Row],
        *,
        skip: bool = False,
        returning: bool = False,
    ) -> list[Row]:
        found: list[Row] = []
        name = name_of(self.session.ml(table))
        for some in _batches(list(rows), self.chunk_size):
            conflict: Any = "skip" if skip else None
            found += self.session.catalog.insert(
                name, some, on_conflict=conflict, returning=returning
            )
        return found

    def files(self, files: Mapping[str, FileSpec]) -> dict[str, str]:
        """The RIDs of the files by URL; those that the catalog does not know yet are inserted."""
        table = self.session.ml("File")
        rids: dict[str, str] = {}
        for some in _batches(list(files), self.chunk_size):
            query = attributes(table, ("URL", "RID", "MD5", "Length"), any_of("URL", some))
            for row in self.session.fetch(query):
                _refuse_other_content(row, files[row["URL"]])
                rids[row["URL"]] = row["RID"]
        new = [file for url, file in files.items() if url not in rids]
        made = self.insert("File", map(_row, new), returning=True)
        rids |= {row["URL"]: row["RID"] for row in made}
        types = (
            {"File": rids[url], "Asset_Type": name}
            for url, file in files.items()
            for name in file.file_types or (_DEFAULT_TYPE,)
        )
        self.insert("File_Asset_Type", types, skip=True)
        return rids

    def datasets(self, add: FilesToAdd, places: list[Place], rid: str | None) -> dict[Place, str]:
        """A new dataset for each directory; the first is the top one, which may have a RID."""
        catalog, table = self.session.catalog, name_of(self.session.ml("Dataset"))
        top = {
            "RID": rid,
            "Description": add.description or f"Files of the directory {add.root_name}.",
            "Deleted": False,
        }
        made = catalog.insert(table, [top], nondefaults=() if rid is None else ("RID",))
        rest = [
            {"Description": f"Files of {add.root_name}/{add.relative(place)}.", "Deleted": False}
            for place in places[1:]
        ]
        made += self.insert("Dataset", rest, returning=True)
        return dict(zip(places, (str(row["RID"]) for row in made), strict=True))


def _row(file: FileSpec) -> Row:
    return {
        "URL": file.url,
        "Filename": file.filename,
        "Length": file.length,
        "MD5": file.md5,
        "Description": file.description,
    }


def _refuse_other_content(row: Row, file: FileSpec) -> None:
    if (row["MD5"], row["Length"]) != (file.md5, file.length):
        raise DerivaMLValidationError(
            f"The catalog knows {file.url!r} as file {row['RID']!r} with the MD5 {row['MD5']} and "
            f"{row['Length']} bytes, not {file.md5} and {file.length} bytes. A file that changed "
            "needs another URL."
        )


def _batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


# --- reading -----------------------------------------------------------------------------


def list_files(
    session: Session, vocabularies: Vocabularies, file_types: str | Iterable[str] | None = None
) -> list[Row]:
    """The files that stay where they are, in the order of their RIDs.

    Args:
        session: The catalog.
        vocabularies: Its vocabularies.
        file_types: Only files that have one of these types.

    Returns:
        For each file ``RID``, ``URL``, ``MD5``, ``Length``, ``Description`` and ``File_Types``.

    Raises:
        DerivaMLInvalidTerm: A type is not a term of ``Asset_Type``.

    Cost: two queries.
    """
    wanted = {
        term.name
        for term in vocabularies.lookup_terms(MLVocab.asset_type, words(file_types, "file_types"))
    }
    table, links = session.ml("File"), session.ml("File_Asset_Type")
    types: dict[str, list[str]] = {}
    for row in session.fetch(attributes(links, ("File", "Asset_Type"), sort=("Asset_Type",))):
        types.setdefault(row["File"], []).append(row["Asset_Type"])
    columns = ("RID", "URL", "MD5", "Length", "Description")
    real = without(equals("URL", SENTINEL_FILE_URL))
    rows = session.fetch(attributes(table, columns, real, sort=("RID",)))
    found = [{**row, "File_Types": types.get(row["RID"], [])} for row in rows]
    return [row for row in found if not wanted or wanted.intersection(row["File_Types"])]
