"""Which files a run reads: assets of the catalog, and files of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ..core.constants import is_rid
from ..core.exceptions import DerivaMLValidationError
from ..core.omega import fields_of

__all__ = [
    "AssetRIDConfig",
    "AssetSpec",
    "AssetSpecConfig",
    "LocalFile",
    "LocalFileConfig",
    "asset_input",
]


class AssetSpec(str):
    """An asset of the catalog that a run reads; wherever a string is wanted it is its RID.

    Args:
        rid: RID of the asset.
        cache: Whether the file stays in the cache for the next run.
        description: What the asset is for, in the words of the run.

    Raises:
        DerivaMLValidationError: `rid` is not in the form of a RID (also a `ValueError`).
    """

    cache: bool
    description: str

    def __new__(cls, rid: str, cache: bool = False, description: str = "") -> AssetSpec:
        """Check the form of the RID; the other values ride along."""
        if not is_rid(rid):
            msg = (
                f"{rid!r} is not the RID of an asset: RIDs are texts such as '1ABC' or '2-277G'. "
                "On a command line, quote one that looks like a number."
            )
            raise DerivaMLValidationError(msg)
        spec = super().__new__(cls, rid)
        spec.cache = cache
        spec.description = description
        return spec

    @property
    def rid(self) -> str:
        """RID of the asset, as a plain string."""
        return str.__str__(self)

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"rid": ..., "cache": ..., "description": ...}``."""
        return {"rid": self.rid, "cache": self.cache, "description": self.description}

    def __str__(self) -> str:
        return "".join(self)

    def __repr__(self) -> str:
        return f"AssetSpec({self.rid!r}, cache={self.cache!r}, description={self.description!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept what `asset_input` accepts as an asset; write a mapping."""
        return core_schema.no_info_plain_validator_function(
            _as_asset,
            serialization=core_schema.plain_serializer_function_ser_schema(AssetSpec.to_dict),
        )


class LocalFile(BaseModel):
    """A file of this machine that a run reads and that the catalog is to know about.

    Attributes:
        path: Where it is.
        cache: Whether a copy stays in the cache.
    """

    # Not a dataclass: OmegaConf would turn one that it holds back into a dictionary.
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    cache: bool = False

    def __init__(self, path: Path | str, cache: bool = False) -> None:
        super().__init__(path=path, cache=cache)


@dataclass
class AssetSpecConfig:
    """An `AssetSpec` as configuration."""

    rid: str
    cache: bool = False
    description: str = ""
    _target_: str = field(default="deriva_ml.asset.spec.AssetSpec", init=False, repr=False)


class AssetRIDConfig(AssetSpecConfig):
    """An `AssetSpec` as configuration, with the description in second place."""

    def __init__(self, rid: str, description: str = "", cache: bool = False) -> None:
        super().__init__(rid, cache, description)


@dataclass
class LocalFileConfig:
    """A `LocalFile` as configuration."""

    path: str
    cache: bool = False
    _target_: str = field(default="deriva_ml.asset.spec.LocalFile", init=False, repr=False)


def asset_input(entry: Any) -> AssetSpec | LocalFile:
    """Return the input that `entry` says, by its shape.

    A text is a RID; something with a ``path`` is a `LocalFile`; something with a ``rid`` is an
    `AssetSpec`.

    Raises:
        DerivaMLValidationError: It is none of these, has both, or has a field that neither knows.
    """
    if isinstance(entry, AssetSpec | LocalFile):
        return entry
    if isinstance(entry, str):
        return AssetSpec(entry)
    if isinstance(entry, Path):
        return LocalFile(entry)
    fields = fields_of(entry)
    if not isinstance(fields, Mapping):
        msg = (
            f"{entry!r} is not an input: give the RID of an asset as a text, or a mapping with "
            "'rid' or 'path'. On a command line, quote a RID that looks like a number."
        )
        raise DerivaMLValidationError(msg)
    if "path" in fields and "rid" not in fields:
        _known(fields, {"path", "cache"})
        return LocalFile(Path(fields["path"]), bool(fields.get("cache", False)))
    _known(fields, {"rid", "cache", "description"})
    if "rid" not in fields:
        msg = f"{dict(fields)!r} has neither 'rid' nor 'path', so it names no input."
        raise DerivaMLValidationError(msg)
    return AssetSpec(**fields)


def _as_asset(entry: Any) -> AssetSpec:
    """Return `entry` as an asset of the catalog; a local file is an error here."""
    spec = asset_input(entry)
    if isinstance(spec, LocalFile):
        msg = f"{entry!r} is a file of this machine where an asset of the catalog is expected."
        raise DerivaMLValidationError(msg)
    return spec


def _known(fields: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a field that nobody would read: a slip of the pen must not be a silent no-op."""
    unknown = sorted(set(fields) - known)
    if unknown:
        msg = (
            f"The input {dict(fields)!r} has unknown fields {', '.join(map(repr, unknown))}; "
            f"it can have {', '.join(map(repr, sorted(known)))}."
        )
        raise DerivaMLValidationError(msg)
