"""Bringing a version of a dataset to this machine as a bag."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_catalog.bag import FetchEntry, content_fetcher, export_bag, materialize
from deriva_catalog.errors import NotFound, Unavailable
from deriva_catalog.objects import Content
from deriva_ml.core.exceptions import DerivaMLTableNotFound, DerivaMLValidationError
from deriva_ml.core.session import Session
from deriva_ml.model.catalog import DerivaModel

from .bag import DatasetBag
from .cache import BagKey, CachedBag, DamagedBag, cached_bag, store_bag
from .history import Versions
from .reach import reach
from .spec import DatasetSpec
from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_catalog.bag.export import Exported, Files
    from deriva_catalog.objects.content import Progress

__all__ = ["FETCHES", "download_bag", "download_spec"]

FETCHES = 8
"""Files that are fetched at the same time."""

TIMEOUT_S = 610.0
"""Seconds to wait for the next bytes of a file that lies elsewhere."""


def download_spec(session: Session, dataset: DatasetSpec | str) -> DatasetBag:
    """A version of a dataset as a bag; a text is ``RID@version`` (see `download_bag`)."""
    spec = DatasetSpec.from_shorthand(dataset) if isinstance(dataset, str) else dataset
    if not isinstance(spec, DatasetSpec):
        raise DerivaMLValidationError(
            f"A dataset is downloaded by a DatasetSpec or 'RID@version', not {dataset!r}."
        )
    return download_bag(
        session,
        spec.rid,
        spec.version,
        with_files=spec.materialize,
        exclude_tables=spec.exclude_tables,
        concurrency=spec.fetch_concurrency,
        timeout_s=TIMEOUT_S if spec.timeout is None else spec.timeout[1],
    )


def download_bag(
    session: Session,
    dataset: str,
    version: DatasetVersion | str,
    *,
    with_files: bool = True,
    exclude_tables: Iterable[str] | None = None,
    concurrency: int = FETCHES,
    timeout_s: float = TIMEOUT_S,
) -> DatasetBag:
    """A version of a dataset as a bag, from the cache or else from the catalog.

    Args:
        session: The connection.
        dataset: RID of the dataset.
        version: A released version.
        with_files: Bring the files too, not only the rows.
        exclude_tables: Tables that are left out.
        concurrency: How many files are fetched at the same time.
        timeout_s: Seconds to wait for the next bytes of a file that lies elsewhere.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLValidationError: The version is under development.
        DerivaMLTableNotFound: A table to leave out does not exist.

    Cost: nothing is asked of the catalog when the version is in the cache.
    """
    label = DatasetVersion.of(version)
    if label.is_devrelease:
        raise DerivaMLValidationError(
            f"Version {str(label)!r} of dataset {dataset!r} is under development and cannot be "
            "downloaded. Call release() first."
        )
    excluded = frozenset(exclude_tables or ())
    key = BagKey(session.identity, dataset, label, excluded)
    fetch = partial(_fetch, session, dataset, concurrency, timeout_s)
    found: CachedBag | None = None
    files: Files = "link" if with_files else "list"
    try:
        found = cached_bag(session.cache_dir, key)
    except DamagedBag:
        # Perhaps it is the stored object, linked, that is damaged: what is copied is hashed.
        files = "copy" if with_files else "list"
    if found is None:
        write = partial(_write, session, key, files)
        found = store_bag(session.cache_dir, key, write, complete=with_files)
    if with_files and not found.complete:
        fetch(found.path)
    return _opened(session, found, dataset, partial(fetch, found.path))


def _opened(session: Session, found: CachedBag, dataset: str, fetch: partial[None]) -> DatasetBag:
    offline = Session(
        hostname=session.hostname,
        catalog=found.catalog,
        model=DerivaModel(found.catalog, session.ml_schema),
        project_name=session.project_name,
        working_dir=session.working_dir,
        cache_dir=session.cache_dir,
        identity=session.identity,
        options=session.options,
    )
    return DatasetBag(offline, found.path, dataset, fetch)


# --- from the catalog --------------------------------------------------------------------


def _write(session: Session, key: BagKey, files: Files, directory: Path) -> Exported:
    """Export what belongs to the dataset at the version's snapshot."""
    past = session.at(Versions(session).snapshot(key.dataset, key.version))
    for name in key.exclude_tables:
        if not any(t.name == name for t in past.model.tables()):
            raise DerivaMLTableNotFound(
                name, f"There is no table {name!r} to leave out of the bag."
            )
    reached = reach(past, key.dataset, key.exclude_tables)
    asset_tables = [
        (t.schema, t.name)
        for t in past.model.find_assets()
        # Rows of File describe files that stay where they are.
        if (t.schema, t.name) != (past.ml_schema, "File")
    ]
    info = {
        "External-Identifier": f"{key.dataset}@{key.version}",
        "Dataset-RID": key.dataset,
        "Dataset-Version": str(key.version),
    }
    with _progress(key.dataset, str(key.version)) as progress:
        return export_bag(
            past.catalog,
            directory,
            {**reached.rids, **dict.fromkeys(reached.whole, "all")},
            files=files,
            asset_tables=asset_tables,
            info=info,
            progress=progress,
        )


# --- files that are missing --------------------------------------------------------------


def _fetch(
    session: Session, dataset: str, concurrency: int, timeout_s: float, directory: Path
) -> None:
    stored = content_fetcher(session.catalog.objects.content)

    def get(entry: FetchEntry, destination: Path) -> Content | None:
        try:
            return stored(entry, destination)
        except NotFound:
            if not entry.url.startswith(("http://", "https://", "file://")):
                raise
        _fetch_url(entry.url, destination, timeout_s)
        return None

    with _progress(dataset, "files") as progress:
        materialize(directory, get, concurrency=concurrency, progress=progress)


def _fetch_url(url: str, destination: Path, timeout_s: float) -> None:
    """Write what a URL names to a file, as a stream."""
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=timeout_s) as source, destination.open("xb") as out:
            shutil.copyfileobj(source, out)
    except (URLError, TimeoutError) as error:
        raise Unavailable(
            f"{url!r} cannot be fetched: {error}.", hint="Check the address and the network."
        ) from error


@contextmanager
def _progress(dataset: str, what: str) -> Iterator[Progress]:
    """A bar of bytes on a terminal, once it has taken a moment; nothing elsewhere."""
    from tqdm import tqdm

    text = f"Dataset {dataset} {what}"
    with tqdm(desc=text, unit="B", unit_scale=True, disable=None, leave=False, delay=0.5) as bar:

        def advance(length: int) -> None:
            bar.update(length)

        yield advance
