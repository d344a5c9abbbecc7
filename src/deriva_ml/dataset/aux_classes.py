"""Small classes about datasets, under the module that older code imports them from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator, model_validator

from deriva_ml.core.constants import RID

from .history import DatasetHistory
from .references import DatasetReference, FeatureReference
from .spec import DatasetSpec, DatasetSpecConfig
from .versions import DatasetVersion, VersionPart

__all__ = [
    "DatasetHistory",
    "DatasetMinid",
    "DatasetReference",
    "DatasetSpec",
    "DatasetSpecConfig",
    "DatasetVersion",
    "FeatureReference",
    "VersionPart",
]


class DatasetMinid(BaseModel):
    """The record of a persistent identifier: where the archive of a dataset version lies.

    It is made from the document that an identifier service returns, by the names that the
    service uses or by ours.

    Attributes:
        dataset_version: The version.
        metadata: What else the record says.
        minid: The short form of the identifier; the service's ``compact_uri``.
        bag_url: Where the archive is; the first of the service's ``location``.
        identifier: The long form.
        landing_page: A page about it.
        version_rid: RID of the dataset with the snapshot, ``RID@snapshot``; the service's ``RID``.
        checksum: SHA-256 of the archive, in hexadecimal; the service's ``checksums``.
    """

    model_config = ConfigDict(populate_by_name=True)

    dataset_version: DatasetVersion
    metadata: dict[str, Any] = Field(default_factory=dict)
    minid: str | None = Field(default=None, alias="compact_uri")
    bag_url: str = Field(alias="location")
    identifier: str | None = None
    landing_page: str | None = None
    version_rid: RID = Field(alias="RID")
    checksum: str = Field(default="", alias="checksums")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        """What a record keeps in its metadata counts as if it stood beside it."""
        if isinstance(data, Mapping) and isinstance(data.get("metadata"), Mapping):
            return {**data["metadata"], **data}
        return data

    @field_validator("bag_url", mode="before")
    @classmethod
    def _first(cls, value: Any) -> Any:
        return next(iter(value), "") if _is_list(value) else value

    @field_validator("checksum", mode="before")
    @classmethod
    def _sha256(cls, value: Any) -> Any:
        if not _is_list(value):
            return value
        digests = {str(c["function"]).lower(): c["value"] for c in value}
        return digests.get("sha256", next(iter(digests.values()), ""))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def dataset_rid(self) -> str:
        """RID of the dataset."""
        return self.version_rid.partition("@")[0]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def dataset_snapshot(self) -> str:
        """The snapshot of the version; empty when the record names none."""
        return self.version_rid.partition("@")[2]


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)
