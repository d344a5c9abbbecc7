"""Opening a bag that lies on this machine, wherever it came from: no catalog is asked."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_catalog.bag import (
    BagCatalog,
    cached_fetcher,
    materialize,
    open_bag,
    read_bag,
    unpack_bag,
    url_fetcher,
    validate,
)
from deriva_catalog.bag.archives import is_archive
from deriva_catalog.bag.unpacking import refuse_damage
from deriva_catalog.errors import Conflict, Unavailable
from deriva_catalog.objects import hash_file
from deriva_ml.core.content import content_cache
from deriva_ml.core.definitions import ML_SCHEMA
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLNotFoundError,
    DerivaMLSchemaError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.query import attributes
from deriva_ml.core.session import Session
from deriva_ml.core.workdir import compute_workdir
from deriva_ml.model.catalog import DerivaModel

from .bag import DatasetBag

if TYPE_CHECKING:
    from deriva_catalog.bag.unpacking import ArchiveLimits

__all__ = ["open_dataset_bag"]


@translated()
def open_dataset_bag(
    path: str | Path,
    dataset_rid: str | None = None,
    *,
    working_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    ml_schema: str = ML_SCHEMA,
    limits: ArchiveLimits | None = None,
) -> DatasetBag:
    """Open a bag of a dataset that is a directory or an archive of this machine.

    Bags that published releases of the library made are read, too. An archive is unpacked into the
    cache directory once. The index of a bag that lies where you may only read is kept there, too.
    Files that the bag only lists come from the web, when `materialize` is
    called; a ``file:`` URL is not followed.

    Args:
        path: The bag, or its archive (zip, tar, tgz).
        dataset_rid: Which dataset of the bag; None means the one that is not inside another.
        working_dir: As in `DerivaML`.
        cache_dir: As in `DerivaML`.
        ml_schema: Name of the ML schema.
        limits: How much an archive may hold.

    Raises:
        DerivaMLNotFoundError: There is no such bag, or no such dataset in it.
        DerivaMLValidationError: It holds several datasets that are not inside others, and
            `dataset_rid` is not given.
        DerivaMLDataError: It is damaged, or was not exported from a catalog of DerivaML.
    """
    work = compute_workdir(working_dir)
    cache = work / "cache" if cache_dir is None else Path(cache_dir).expanduser()
    place = Path(path).expanduser().absolute()
    if not place.exists():
        raise DerivaMLNotFoundError(f"There is no bag at {str(place)!r}.")
    directory = place if place.is_dir() else _unpacked(place, cache, limits)
    refuse_damage(directory, validate(directory, fast=True))
    catalog = _indexed(directory, cache)
    try:
        if ml_schema not in catalog.model.schemas:
            raise DerivaMLSchemaError(
                f"The bag {str(directory)!r} has no schema {ml_schema!r}: it is of no dataset of "
                "DerivaML. deriva_catalog.bag.open_bag() opens it as a catalog."
            )
        session = _session(catalog, ml_schema, work, cache)
        rid = _root(session, directory) if dataset_rid is None else dataset_rid
        return DatasetBag(session, directory, rid, partial(_fetch, session, directory))
    except BaseException:
        catalog.close()
        raise


def _unpacked(archive: Path, cache: Path, limits: ArchiveLimits | None) -> Path:
    """The bag of an archive, unpacked where its content says."""
    if not is_archive(archive):
        raise DerivaMLValidationError(
            f"{str(archive)!r} is neither a directory nor an archive (.zip, .tar, .tgz, .tar.gz)."
        )
    place = cache / "opened" / hash_file(archive).sha256[:32] / "bag"
    if not place.is_dir():
        try:
            unpack_bag(archive, place, limits=limits)
        except (Conflict, Unavailable):
            if not place.is_dir():
                raise
            # Another process was faster: what is there now is the same.
    return place


def _indexed(directory: Path, cache: Path) -> BagCatalog:
    """The bag with an index beside it, or in the cache if there is no writing beside it."""
    try:
        return open_bag(directory)
    except Unavailable:
        key = hashlib.sha256(str(directory).encode()).hexdigest()[:32]
        return open_bag(directory, cache / "opened" / f"{key}.db")


def _session(catalog: BagCatalog, ml_schema: str, work: Path, cache: Path) -> Session:
    model = DerivaModel(catalog, ml_schema)
    return Session(
        hostname="localhost",
        catalog=catalog,
        model=model,
        project_name=model.default_schema or ml_schema,
        working_dir=work,
        cache_dir=cache,
        identity=catalog.url,
    )


def _root(session: Session, directory: Path) -> str:
    """The dataset that a bag is of: what it says, or the only one that is not inside another."""
    datasets = {r["RID"] for r in session.fetch(attributes(session.ml("Dataset"), ["RID"]))}
    said = read_bag(directory).info.get("Dataset-RID")
    if said in datasets:
        return str(said)
    nested = session.model.schemas[session.ml_schema].tables.get("Dataset_Dataset")
    inside = (
        set()
        if nested is None
        else {r["Nested_Dataset"] for r in session.fetch(attributes(nested, ["Nested_Dataset"]))}
    )
    roots = sorted(datasets - inside)
    if not roots:
        raise DerivaMLDatasetNotFound("", f"The bag {str(directory)!r} has no dataset.")
    if len(roots) > 1:
        raise DerivaMLValidationError(
            f"The bag {str(directory)!r} has the datasets {roots}; say which one is meant."
        )
    return str(roots[0])


def _fetch(session: Session, directory: Path, concurrency: int) -> None:
    fetcher = cached_fetcher(content_cache(session.cache_dir), url_fetcher())
    record = directory.with_name(f"{directory.name}.seen.json")
    materialize(directory, fetcher, concurrency=concurrency, seen=record)
