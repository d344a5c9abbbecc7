"""What an execution reads: checked before anything is recorded, then brought to this machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.objects import hash_file
from deriva_ml.asset.download import bring_together, fetch_asset, local_file_url, safe_name
from deriva_ml.asset.spec import AssetSpec, LocalFile
from deriva_ml.core.exceptions import DerivaMLNotFoundError, DerivaMLValidationError
from deriva_ml.core.query import any_of, attributes, name_of

from .configuration import ExecutionConfiguration
from .journal import Journal
from .run import Surroundings

__all__ = ["Inputs", "check_inputs", "download_inputs", "record_files"]

DOWNLOADED = "downloaded-assets"


@dataclass(frozen=True, slots=True)
class AssetInput:
    """An asset that is read; `cache` keeps its file for other executions."""

    table: Table
    row: Row
    cache: bool


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file of this machine that is read, and the row that will describe it."""

    path: Path
    row: dict[str, Any]
    cache: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of an execution: datasets by RID and version, assets, and local files."""

    datasets: tuple[tuple[str, str], ...]
    assets: tuple[AssetInput, ...]
    files: tuple[FileInput, ...]

    def __bool__(self) -> bool:
        return bool(self.datasets or self.assets or self.files)


def check_inputs(around: Surroundings, configuration: ExecutionConfiguration) -> Inputs:
    """Find the inputs that a configuration names; nothing is written.

    Raises:
        DerivaMLDatasetNotFound: A dataset does not exist.
        DerivaMLNotFoundError: It has no such version, or an asset or file does not exist.
        DerivaMLTableTypeError: A row is not an asset.
        DerivaMLValidationError: A dataset is named twice, with different versions.
    """
    datasets: dict[str, str] = {}
    for spec in configuration.datasets:
        around.datasets.require(spec.rid)
        around.datasets.version(spec.rid, spec.version)
        if datasets.setdefault(spec.rid, str(spec.version)) != str(spec.version):
            raise DerivaMLValidationError(
                f"Dataset {spec.rid!r} is to be read at the versions {datasets[spec.rid]!r} and "
                f"{str(spec.version)!r}; an execution reads one version of a dataset."
            )
    specs = {str(a): a for a in configuration.assets if isinstance(a, AssetSpec)}
    rows = around.assets.rows(specs)
    return Inputs(
        tuple(datasets.items()),
        tuple(AssetInput(t, row, specs[rid].cache) for rid, (t, row) in rows.items()),
        tuple(_file_input(f) for f in configuration.assets if isinstance(f, LocalFile)),
    )


def _file_input(spec: LocalFile) -> FileInput:
    path = spec.path.expanduser().absolute()
    if not path.is_file():
        raise DerivaMLNotFoundError(f"The input {str(spec.path)!r} is not a file of this machine.")
    try:
        content = hash_file(path)
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    except OSError as error:
        raise DerivaMLNotFoundError(f"The input {str(path)!r} cannot be read: {error}.") from error
    row = {
        # The hash is part of the URL, so that a file that changes gets another row.
        "URL": f"{local_file_url(path, changed)}#md5={content.md5}",
        "Filename": path.name,
        "Length": content.length,
        "MD5": content.md5,
        "Description": "",
    }
    return FileInput(path, row, spec.cache)


def download_inputs(
    around: Surroundings, journal: Journal, directory: Path, inputs: Inputs
) -> None:
    """Put the files of the input assets below `directory`, and note where.

    Raises:
        DerivaMLException: See `fetch_asset`.
    """
    places = [Path(DOWNLOADED) / a.table.name / str(a.row["RID"]) for a in inputs.assets]
    for use_cache in (False, True):
        some = [
            (asset.row, directory / place)
            for asset, place in zip(inputs.assets, places, strict=True)
            if asset.cache is use_cache
        ]
        if len(some) > 1:
            bring_together(around.session, some, use_cache=use_cache)
    for asset, place in zip(inputs.assets, places, strict=True):
        rid = str(asset.row["RID"])
        path = fetch_asset(around.session, asset.row, directory / place, use_cache=asset.cache)
        journal.add_input_asset(rid, asset.table.qualified, place / path.name)
    for file in inputs.files:
        if file.cache:
            row = {"RID": "File", **file.row}
            place = Path(DOWNLOADED) / "File" / file.row["MD5"]
            fetch_asset(around.session, row, directory / place, use_cache=True)


def record_files(around: Surroundings, inputs: Inputs) -> list[str]:
    """Make sure that the catalog knows the local files, in the caller's transaction.

    Returns the RIDs of their rows, in order.
    """
    rows = {file.row["URL"]: file.row for file in inputs.files}
    if not rows:
        return []
    table = around.session.ml("File")
    known = around.session.fetch(attributes(table, ("URL", "RID"), any_of("URL", rows)))
    rids = {str(row["URL"]): str(row["RID"]) for row in known}
    new = [row for url, row in rows.items() if url not in rids]
    made = around.session.catalog.insert(name_of(table), new) if new else []
    rids |= {str(row["URL"]): str(row["RID"]) for row in made}
    return [rids[file.row["URL"]] for file in inputs.files]


def note_files(journal: Journal, inputs: Inputs, rids: list[str], table: str) -> None:
    """Note under which RIDs the catalog knows the local files, and where they are."""
    for file, rid in zip(inputs.files, rids, strict=True):
        path = file.path
        if file.cache:
            path = Path(DOWNLOADED) / "File" / file.row["MD5"] / safe_name(file.row)
        journal.add_input_asset(rid, table, path)
