"""Archives of dataset versions with identifiers that last.

The archive of a version is put into a bucket under its SHA-256, registered, and its identifier
kept with the version (``Minid``), together with a hash of what it holds (``Minid_Spec_Hash``).
Whoever has the identifier gets the same bytes, or an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deriva_catalog.bag import pack_bag, read_bag, unpack_bag
from deriva_catalog.objects import hash_file
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLValidationError,
)
from deriva_ml.core.query import name_of
from deriva_ml.core.session import Session

from .cache import BagKey
from .history import Versions
from .registries import Registered, RegistrationService, open_registry
from .storehouse import below, bucket_url, download, upload

if TYPE_CHECKING:
    from .history import DatasetHistory

__all__ = [
    "REGISTRY_VARIABLE",
    "Unpacked",
    "archive_of",
    "bucket_of",
    "register_bag",
    "registry_of",
    "unpack_archive",
]

_FORMAT = 1
REGISTRY_VARIABLE = "DERIVA_ML_REGISTRY"
"""Names the registry for connections that are not given one."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A bag that came out of an archive: what its manifests list, and what is there."""

    payload: dict[str, dict[str, str]]
    paths: list[str]


def bucket_of(session: Session) -> str:
    """The URL of the bucket that archives go to.

    Raises:
        DerivaMLConfigurationError: The connection has none.
    """
    if not session.options.s3_bucket:
        raise DerivaMLConfigurationError(
            "Persistent identifiers of bags (use_minid=True) need a bucket for the archives, which "
            "this connection does not have. Connect with s3_bucket='s3://...', or leave use_minid "
            "out."
        )
    return bucket_url(session.options.s3_bucket)


def registry_of(session: Session) -> RegistrationService:
    """The registry of a connection: the one it was given, else a folder of the bucket.

    Raises:
        DerivaMLConfigurationError: There is no such registry, or no bucket.
    """
    setting = session.options.registry or os.environ.get(REGISTRY_VARIABLE)
    return open_registry(setting or below(bucket_of(session), "minids"))


def archive_of(session: Session, key: BagKey) -> Registered | None:
    """Where the archive of a version is; None if it has none of what is asked for.

    Raises:
        DerivaMLNotFoundError: The dataset has no such version, or its identifier leads nowhere.
    """
    version = Versions(session).find(key.dataset, key.version)
    if not version.minid or version.spec_hash != spec_hash(key):
        return None
    return registry_of(session).resolve(version.minid)


def spec_hash(key: BagKey) -> str:
    """A hash of what an archive holds, in hexadecimal; it is kept in the catalog that it is of."""
    facts = [_FORMAT, key.dataset, str(key.version), sorted(key.exclude_tables)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def unpack_archive(found: Registered, directory: Path) -> Unpacked:
    """Get an archive and unpack its bag to a directory.

    Raises:
        DerivaMLValidationError: Its bytes are not those that were registered.
        CatalogError: It holds no bag, or a damaged one.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".archive-") as folder:
        archive = Path(folder) / "archive"
        sha256 = download(found.location, archive)
        if sha256 != found.sha256:
            raise DerivaMLValidationError(
                f"The archive {found.location!r} has the SHA-256 {sha256}, but {found.sha256} is "
                f"registered under {found.identifier!r}. Do not use it; ask who keeps the bucket."
            )
        unpack_bag(archive, directory)
    payload = {path: dict(digests) for path, digests in read_bag(directory).payload.items()}
    paths = [path.relative_to(directory).as_posix() for path in directory.rglob("*")]
    return Unpacked(payload, paths)


def register_bag(session: Session, key: BagKey, bag: Path) -> Registered:
    """Put the archive of a whole bag into the bucket, register it, and note both with the version.

    The archive has the files themselves when the catalog is one of this machine, where nobody
    else could fetch them, and lists them when it is served.

    Raises:
        DerivaMLConfigurationError: The connection has no bucket or no such registry.
        DerivaMLReadOnlyError: The connection is on a snapshot.
        DerivaMLUnavailableError: The bucket cannot be written.
    """
    bucket, registry = bucket_of(session), registry_of(session)
    session.require_writable()
    version = Versions(session).find(key.dataset, key.version)
    is_served = urlsplit(session.catalog.url).scheme in ("http", "https")
    with tempfile.TemporaryDirectory(prefix="deriva-ml-") as folder:
        archive = pack_bag(bag, Path(folder) / f"{bag.name}.zip", without_listed=is_served)
        sha256 = hash_file(archive).sha256
        location = below(bucket, f"bags/{sha256}/{archive.name}")
        upload(archive, location)
    metadata = _metadata(session, key, version)
    identifier = registry.register(location, sha256, metadata)
    with session.transaction():
        row = {
            "RID": version.version_rid,
            "Minid": identifier,
            "Minid_Spec_Hash": spec_hash(key),
        }
        table = name_of(session.ml("Dataset_Version"))
        session.catalog.update(table, [row], targets=("Minid", "Minid_Spec_Hash"))
    return Registered(identifier, location, sha256, metadata)


def _metadata(session: Session, key: BagKey, version: DatasetHistory) -> dict[str, str]:
    return {
        "title": f"Dataset {key.dataset}, version {key.version}",
        "dataset_rid": key.dataset,
        "dataset_version": str(key.version),
        "dataset_snapshot": version.snapshot or "",
        "version_rid": version.version_rid,
        "catalog": session.catalog.url,
        "description": version.description,
    }
