"""`AssetFilePath`: the path of a file of an execution, which knows what it is an asset of."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from deriva_ml.core.arguments import words

__all__ = ["AssetFilePath"]

_Plain: Any = type(Path())


class AssetFilePath(_Plain):  # type: ignore[misc]
    """A path that works wherever a `Path` does; paths derived from it are plain paths.

    Until the commit, assigning `metadata`, `description` or `set_asset_types` changes what will
    be recorded of the file. Writing through its own methods never follows a link: a file that
    was registered from elsewhere is replaced here, and stays as it is there.

    Args:
        asset_path: Where the file is, or is to be written.
        asset_table: Name of the asset table.
        file_name: The name that the catalog shows.
        asset_metadata: Values of the table's metadata columns.
        asset_types: Terms of ``Asset_Type``.
        asset_rid: Its RID, once the catalog has it.
        description: What the file is.
        save: Called with changes of an output that waits for the commit.
    """

    asset_table: str = ""
    file_name: str = ""
    asset_rid: str | None = None
    _metadata: Mapping[str, Any] = {}
    _types: tuple[str, ...] = ()
    _description: str = ""
    _save: Callable[[dict[str, Any]], None] | None = None

    def __new__(cls, asset_path: str | Path, *args: Any, **kwargs: Any) -> AssetFilePath:
        """Make the path; the other values are set by ``__init__``."""
        made: AssetFilePath = super().__new__(cls, asset_path)
        return made

    def __init__(
        self,
        asset_path: str | Path,
        asset_table: str = "",
        file_name: str = "",
        asset_metadata: Mapping[str, Any] | None = None,
        asset_types: Iterable[str] = (),
        asset_rid: str | None = None,
        *,
        description: str = "",
        save: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if sys.version_info >= (3, 12):
            super().__init__(asset_path)
        self.asset_table = asset_table
        self.file_name = file_name or self.name
        self.asset_rid = asset_rid
        self._metadata = dict(asset_metadata or {})
        self._types = tuple(asset_types)
        self._description = description
        self._save = save

    if sys.version_info >= (3, 12):

        def with_segments(self, *segments: Any) -> Path:
            """A derived path is plain."""
            return Path(*segments)

    else:  # where pathlib asks elsewhere for derived paths

        @classmethod
        def _from_parsed_parts(cls, *parts: Any) -> Any:
            return _Plain._from_parsed_parts(*parts)

    def __reduce__(self) -> tuple[Any, ...]:
        values = (
            str(self),
            self.asset_table,
            self.file_name,
            dict(self._metadata),
            self._types,
            self.asset_rid,
        )
        return AssetFilePath, values

    # --- what it is ------------------------------------------------------------------

    @property
    def asset_name(self) -> str:
        """The asset table, by its older name."""
        return self.asset_table

    @property
    def asset_types(self) -> list[str]:
        """Terms of ``Asset_Type``."""
        return list(self._types)

    def set_asset_types(self, asset_types: str | Iterable[str]) -> None:
        """Replace the types."""
        types = words(asset_types, "asset_types")
        if self._save is not None:
            self._save({"types": types})
        self._types = tuple(types)

    @property
    def metadata(self) -> dict[str, Any]:
        """Values of the table's metadata columns; assigning replaces them all."""
        return dict(self._metadata)

    @metadata.setter
    def metadata(self, value: Mapping[str, Any]) -> None:
        if self._save is not None:
            self._save({"metadata": value})
        self._metadata = dict(value or {})

    @property
    def description(self) -> str:
        """What the file is; assigning changes it."""
        return self._description

    @description.setter
    def description(self, value: str) -> None:
        if self._save is not None:
            self._save({"description": value})
        self._description = value

    # --- writing ---------------------------------------------------------------------

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """Open the file; for writing, a link is first replaced by a file of its own."""
        if self.is_symlink() and set(mode) & set("wax+"):
            source = self.resolve()
            self.unlink()
            if "w" not in mode and source.is_file():
                shutil.copy2(source, self)
        opened: IO[Any] = super().open(mode, *args, **kwargs)
        return opened
