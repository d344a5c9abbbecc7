"""An asset as an object: a file that the catalog describes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deriva_catalog.interface import Row

from ..core.html_tables import table_html
from .file_path import AssetFilePath

if TYPE_CHECKING:
    from deriva_ml.feature.definition import Feature

    from .collection import Assets

__all__ = ["Asset", "AssetFilePath"]


class HasAssets(Protocol):
    """A connection: something whose assets can be asked for."""

    @property
    def assets(self) -> Assets:
        """Its assets."""
        ...


class Asset:
    """One asset of a catalog, as it was read. Two objects are equal when their RIDs are.

    Args:
        catalog: A connection to the catalog (`DerivaML`).
        asset_rid: RID of the asset.
        asset_table: Name of its table.
        filename: Name of the file.
        url: Where the file is.
        length: Its bytes.
        md5: Its MD5 in hexadecimal.
        description: What it is.
        asset_types: Terms of ``Asset_Type``.
        execution_rid: The execution that made it, as far as known.
        schema: Schema of the table; None looks it up by the table's name.
    """

    def __init__(
        self,
        catalog: HasAssets,
        asset_rid: str,
        asset_table: str,
        filename: str = "",
        url: str = "",
        length: int = 0,
        md5: str = "",
        description: str = "",
        asset_types: Iterable[str] | None = None,
        execution_rid: str | None = None,
        *,
        schema: str | None = None,
    ) -> None:
        self._assets = catalog.assets
        self.asset_rid = asset_rid
        self.asset_table = asset_table
        self.filename = filename
        self.url = url
        self.length = length
        self.md5 = md5
        self.execution_rid = execution_rid
        self._schema = schema
        self._description = description
        self._types = list(asset_types or ())

    @property
    def rid(self) -> str:
        """RID of the asset."""
        return self.asset_rid

    def _repr_html_(self) -> str:
        return table_html(
            {
                "Asset": f"{self.asset_rid} of {self.asset_table}",
                "File": f"{self.filename} ({self.length:,} bytes)",
                "Description": self._description,
                "Types": ", ".join(self._types),
                "Made by": self.execution_rid or "",
                "MD5": self.md5,
            }
        )

    @property
    def description(self) -> str:
        """What the asset is; assigning writes it to the catalog."""
        return self._description

    @description.setter
    def description(self, value: str) -> None:
        self._assets.describe(self.asset_rid, value)
        self._description = value

    @property
    def asset_types(self) -> list[str]:
        """Terms of ``Asset_Type``."""
        return list(self._types)

    def add_asset_type(self, name: str) -> None:
        """Give the asset one more type, in the catalog too."""
        term = self._assets.add_type(self.asset_rid, name)
        if term not in self._types:
            self._types.append(term)

    def remove_asset_type(self, name: str) -> None:
        """Take a type from the asset, in the catalog too."""
        term = self._assets.remove_type(self.asset_rid, name)
        self._types = [t for t in self._types if t != term]

    def list_executions(self, asset_role: str | None = None) -> list[str]:
        """RIDs of the executions that read (``Input``) or made (``Output``) the asset."""
        return self._assets.executions(self.asset_rid, asset_role)

    def find_features(self) -> list[Feature]:
        """The features of the asset's table."""
        model = self._assets.session.model
        return model.find_features(self._qualified)

    def get_metadata(self) -> dict[str, Any]:
        """The values of the table's metadata columns."""
        table, row = self._row()
        return {c: row[c] for c in self._assets.session.model.asset_metadata_sorted(table)}

    def _row(self) -> tuple[Any, Row]:
        return self._assets.rows([self.asset_rid])[self.asset_rid]

    @property
    def _qualified(self) -> str:
        return self.asset_table if self._schema is None else f"{self._schema}:{self.asset_table}"

    def download(self, dest_dir: Path | str) -> Path:
        """Put the file into a directory and return its path; nothing is recorded."""
        return self._assets.download(self.asset_rid, Path(dest_dir))

    def get_chaise_url(self) -> str:
        """The address of the asset's web page."""
        from deriva_ml.core.rids import Rids

        return Rids(self._assets.session).chaise_url(self.asset_rid)

    def __repr__(self) -> str:
        return f"Asset({self.asset_rid!r}, {self.asset_table!r}, {self.filename!r})"

    def __eq__(self, other: object) -> bool:
        return self.asset_rid == other.asset_rid if isinstance(other, Asset) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.asset_rid)
