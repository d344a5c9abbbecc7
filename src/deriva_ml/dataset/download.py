"""Bringing a version of a dataset to this machine as a bag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deriva_catalog.bag import (
    Fetcher,
    cached_fetcher,
    content_fetcher,
    export_bag,
    first_of,
    materialize,
    object_fetcher,
    url_fetcher,
)
from deriva_ml.core.arguments import words
from deriva_ml.core.content import content_cache
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.session import Session
from deriva_ml.model.catalog import DerivaModel

from .bag import DatasetBag, FetchFiles
from .cache import BagKey, DamagedBag, KeptBag, cached_bag, store_bag
from .minid import archive_of, bucket_of, register_bag, unpack_archive
from .reach import asset_tables, reach
from .sizes import snapshot_of
from .spec import DatasetSpec
from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_catalog.bag.export import Exported, Files
    from deriva_catalog.objects.content import Progress

__all__ = ["Carriage", "download_bag", "download_spec", "key_of", "spec_of"]


TIMEOUT_S = (10.0, 610.0)
"""Seconds to wait for a connection, and for the next bytes."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """How much is asked at the same time, and how long we wait for it.

    Attributes:
        files: Files that are fetched at the same time.
        questions: Questions about rows that are asked of a served catalog at the same time.
        timeout: Seconds to wait for a connection, and for the next bytes. None means `TIMEOUT_S`
            for files that lie elsewhere, and what the connection to a served catalog has.

    Raises:
        DerivaMLValidationError: One of them is not above zero.
    """

    files: int = 8
    questions: int = 8
    timeout: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not (
            isinstance(self.timeout, tuple | list) and len(self.timeout) == 2
        ):
            raise DerivaMLValidationError(
                "timeout is a pair of seconds, to connect and to read, such as (10, 600), not "
                f"{self.timeout!r}."
            )
        for name, values in (
            ("fetch_concurrency", (self.files,)),
            ("reachability_concurrency", (self.questions,)),
            ("timeout", self.timeout or ()),
        ):
            if not all(isinstance(value, int | float) and value > 0 for value in values):
                raise DerivaMLValidationError(f"{name} must be above zero, not {values}.")


def download_spec(session: Session, dataset: DatasetSpec | str) -> DatasetBag:
    """A version of a dataset as a bag; a text is ``RID@version`` (see `download_bag`)."""
    spec = spec_of(dataset)
    return download_bag(
        session,
        spec.rid,
        spec.version,
        with_files=spec.materialize,
        exclude_tables=spec.exclude_tables,
        carriage=Carriage(spec.fetch_concurrency, spec.reachability_concurrency, spec.timeout),
    )


def spec_of(dataset: DatasetSpec | str) -> DatasetSpec:
    """A spec as it is, or the one that a text ``RID@version`` means.

    Raises:
        DerivaMLValidationError: It is neither.
    """
    spec = DatasetSpec.from_shorthand(dataset) if isinstance(dataset, str) else dataset
    if not isinstance(spec, DatasetSpec):
        raise DerivaMLValidationError(
            f"A dataset is downloaded by a DatasetSpec or 'RID@version', not {dataset!r}."
        )
    return spec


def key_of(
    session: Session,
    dataset: str,
    version: DatasetVersion | str,
    exclude_tables: Iterable[str] | None,
) -> BagKey:
    """What stands for a bag in the cache.

    Raises:
        DerivaMLValidationError: The version is under development.
    """
    label = DatasetVersion.of(version)
    if label.is_devrelease:
        raise DerivaMLValidationError(
            f"Version {str(label)!r} of dataset {dataset!r} is under development and cannot be "
            "downloaded. Call release() first."
        )
    return BagKey(
        session.identity, dataset, label, frozenset(words(exclude_tables, "exclude_tables"))
    )


def download_bag(
    session: Session,
    dataset: str,
    version: DatasetVersion | str,
    *,
    with_files: bool = True,
    exclude_tables: Iterable[str] | None = None,
    carriage: Carriage | None = None,
    use_minid: bool | None = None,
) -> DatasetBag:
    """A version of a dataset as a bag, from the cache or else from the catalog.

    Args:
        session: The connection.
        dataset: RID of the dataset.
        version: A released version.
        with_files: Bring the files too, not only the rows.
        exclude_tables: Tables that are left out.
        carriage: How much is asked at the same time, and how long we wait.
        use_minid: Take the bag from its archive, and make and register that first if the version
            has none. None means what the connection says, after a look into the cache; a bag
            without some tables is then made here, since archives are of whole versions.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLValidationError: The version is under development, or `use_minid` is set and tables
            are to be left out.
        DerivaMLTableNotFound: A table to leave out does not exist.
        DerivaMLConfigurationError: `use_minid` is set, and the connection has no bucket.

    Cost: nothing is asked of the catalog when the version is in the cache.
    """
    key = key_of(session, dataset, version, exclude_tables)
    how = carriage or Carriage()
    if use_minid:
        _refuse_part(key)
        bucket_of(session)
    try:
        found, careful = cached_bag(session.cache_dir, key), False
    except DamagedBag:
        # Perhaps it is the stored object, linked, that is damaged: what is copied is hashed.
        found, careful = None, True
    wants_minid = use_minid or (
        use_minid is None and session.options.use_minid and found is None and not key.exclude_tables
    )
    if found is not None and not wants_minid and (found.complete or not with_files):
        later = partial(_fetch_later, session, found, how, careful or found.repairing)
        return _opened(session, found, dataset, later)  # also where the server cannot be reached
    with _patient(session, how) as asked:
        archived = archive_of(asked, key) if wants_minid else None
        if found is None and archived is not None:
            found = store_bag(session.cache_dir, key, partial(unpack_archive, archived))
        elif found is None:
            files = _files_at_once(session, with_files, careful)
            found = store_bag(session.cache_dir, key, partial(_write, asked, key, files, how))
        to_register = wants_minid and archived is None
        careful = careful or found.repairing
        if not found.complete and (with_files or to_register):
            _fetch(asked, found, how, careful)
        if to_register:
            register_bag(session, key, found.path)
    return _opened(session, found, dataset, partial(_fetch_later, session, found, how, careful))


def _refuse_part(key: BagKey) -> None:
    """A version has one identifier, which is that of all of it."""
    if key.exclude_tables:
        raise DerivaMLValidationError(
            f"The identifier of version {str(key.version)!r} of dataset {key.dataset!r} is that of "
            f"the whole version: use_minid=True does not go with exclude_tables="
            f"{sorted(key.exclude_tables)}. Leave one of them out."
        )


@contextmanager
def _patient(session: Session, how: Carriage) -> Iterator[Session]:
    """The session, over connections that wait as long as is asked for."""
    if how.timeout is None:
        yield session
        return
    from deriva_catalog.catalog import RemoteCatalog

    catalog = session.catalog
    if not isinstance(catalog, RemoteCatalog):
        yield session
        return
    own = catalog.waiting(*how.timeout)
    try:
        yield replace(session, catalog=own)
    finally:
        own.close()


def _files_at_once(session: Session, with_files: bool, careful: bool) -> Files:
    """Whether files go into the bag while it is written: those of this machine do, by links."""
    if not with_files or session.catalog.objects.content.directory is None:
        return "list"  # they are fetched afterwards, several at a time
    return "copy" if careful else "link"


def _opened(session: Session, found: KeptBag, dataset: str, fetch: FetchFiles) -> DatasetBag:
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


def _write(session: Session, key: BagKey, files: Files, how: Carriage, directory: Path) -> Exported:
    """Export what belongs to the dataset at the version's snapshot."""
    past = snapshot_of(session, key)
    reached = reach(past, key.dataset, key.exclude_tables, concurrency=how.questions)
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
            asset_tables=[(t.schema, t.name) for t in asset_tables(past.model)],
            info=info,
            progress=progress,
        )


# --- files that are missing --------------------------------------------------------------


def _fetch(session: Session, found: KeptBag, how: Carriage, careful: bool) -> None:
    with _progress(found.path.name.removeprefix("Dataset_"), "files") as progress:
        materialize(
            found.path,
            fetcher_for(session, how, careful=careful),
            concurrency=how.files,
            progress=progress,
            seen=found.record,
        )


def _fetch_later(
    session: Session, found: KeptBag, how: Carriage, careful: bool, concurrency: int
) -> None:
    with _patient(session, how) as asked:
        _fetch(asked, found, replace(how, files=concurrency), careful)


def fetcher_for(session: Session, how: Carriage, *, careful: bool = False) -> Fetcher:
    """What gets the files of a bag: from the catalog's objects, else from where they are listed.

    What comes from elsewhere is kept by its content, so that the same file in ten datasets is
    fetched once.

    Args:
        session: The connection.
        how: How long we wait for files that lie elsewhere.
        careful: Hash also what could be linked.
    """
    catalog, (connect_s, read_s) = session.catalog, how.timeout or TIMEOUT_S
    address = urlsplit(catalog.url)
    own = [f"deriva://localhost/{catalog.id}"]
    if address.scheme in ("http", "https"):
        own.append(f"{address.scheme}://{address.netloc}")
    here = content_fetcher(catalog.objects.content, link=not careful)
    elsewhere = first_of(
        object_fetcher(catalog.objects, own, link=not careful),
        url_fetcher(connect_s=connect_s, read_s=read_s, local_files=True),
    )
    kept = content_cache(session.cache_dir)
    if catalog.objects.content.directory is not None:
        # Objects of this machine are a cache themselves.
        return first_of(here, cached_fetcher(kept, elsewhere))
    return cached_fetcher(kept, first_of(here, elsewhere))


@contextmanager
def _progress(dataset: str, what: str) -> Iterator[Progress]:
    """A bar of bytes on a terminal, once it has taken a moment; nothing elsewhere."""
    from tqdm import tqdm

    text = f"Dataset {dataset} {what}"
    with tqdm(desc=text, unit="B", unit_scale=True, disable=None, leave=False, delay=0.5) as bar:

        def advance(length: int) -> None:
            bar.update(length)

        yield advance
