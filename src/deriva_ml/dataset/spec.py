"""Which dataset, in which version, a run works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from ..core.constants import RID, is_rid
from ..core.exceptions import DerivaMLValidationError
from ..core.html_tables import settings_html
from ..core.omega import fields_of
from .versions import DatasetVersion

__all__ = ["DatasetSpec", "DatasetSpecConfig"]


class DatasetSpec(BaseModel):
    """One version of one dataset, and how it is to be brought here.

    Wherever a spec is expected, the text ``"RID@1.2.0"``, a mapping or a `DatasetSpecConfig`
    will do.

    Attributes:
        rid: RID of the dataset.
        version: Its version, given as ``"1.2.0"``, three numbers, a mapping or a `DatasetVersion`.
        materialize: Whether files are downloaded, or only rows.
        description: What the dataset is for, in the words of the run.
        exclude_tables: Tables that are left out of the download.
        timeout: Seconds to wait for (connection, reading); None means (10, 610). An embedded
            catalog is not connected to: reading then concerns files that lie elsewhere.
        fetch_concurrency: Files downloaded at the same time.
        reachability_concurrency: Requests in flight while the rows of the dataset are gathered;
            an embedded catalog makes none, so it changes nothing there.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    rid: RID
    version: DatasetVersion
    materialize: bool = True
    description: str = ""
    exclude_tables: set[str] | None = None
    timeout: tuple[int, int] | None = None
    fetch_concurrency: int = 8
    reachability_concurrency: int = 8

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            rid, version = _split(value)
            return {"rid": rid, "version": version}
        return fields_of(value)

    def _repr_html_(self) -> str:
        unset = type(self).model_fields
        shown = {
            name: value
            for name, value in self
            if name in ("rid", "version") or value != unset[name].default
        }
        return settings_html("DatasetSpec", shown)

    @classmethod
    def from_shorthand(cls, s: str) -> DatasetSpec:
        """Read ``"RID@1.2.0"``.

        Raises:
            DerivaMLValidationError: There is no ``@``, or what stands before or after it is not a
                RID or a version (also a `ValueError`).
        """
        rid, version = _split(s)
        return cls(rid=rid, version=DatasetVersion.parse(version))

    def __str__(self) -> str:
        return f"{self.rid}@{self.version}"


def _split(text: str) -> tuple[str, str]:
    """Return the RID and the version in ``"RID@1.2.0"``."""
    rid, at, version = text.partition("@")
    if not at or not version:
        msg = (
            f"{text!r} names no version. Write it after an '@', as in '{rid or '1ABC'}@1.2.0': a "
            "run reads one version of a dataset, so that it can be repeated."
        )
        raise DerivaMLValidationError(msg)
    if not is_rid(rid):
        msg = f"{rid!r} in {text!r} is not a RID: RIDs look like '1ABC' or '2-277G'."
        raise DerivaMLValidationError(msg)
    return rid, version


@dataclass
class DatasetSpecConfig:
    """A `DatasetSpec` as configuration: kept in a store, made into a spec just before the run."""

    rid: str
    version: str
    materialize: bool = True
    description: str = ""
    exclude_tables: list[str] | None = None
    timeout: tuple[int, int] | None = None
    fetch_concurrency: int = 8
    reachability_concurrency: int = 8
    _target_: str = field(default="deriva_ml.dataset.spec.DatasetSpec", init=False, repr=False)
