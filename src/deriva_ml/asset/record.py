"""Records of the metadata of files: a class for each asset table, made from its columns."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, create_model

from deriva_ml.feature.record import python_type
from deriva_ml.model.catalog import DerivaModel

__all__ = ["AssetRecord", "asset_record_class"]


class AssetRecord(BaseModel):
    """Values of the metadata columns of an asset table; unknown names are refused.

    Attributes:
        asset_table: The table, as ``schema:Table``.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    asset_table: ClassVar[str] = ""


def asset_record_class(model: DerivaModel, asset_table_name: str) -> type[AssetRecord]:
    """The class of the metadata of an asset table, named ``<Table>AssetRecord``.

    Its records are taken by `Execution.asset_file_path` as `metadata`. A column that may be empty
    or has a default may be left out.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        DerivaMLTableTypeError: It is not an asset table.
    """
    table = model.asset(asset_table_name)
    fields: dict[str, Any] = {}
    for name in model.asset_metadata_sorted(table):
        column = table.by_name[name]
        kind = python_type(column.type)
        optional = column.nullok or column.default is not None
        fields[name] = (kind | None, column.default) if optional else (kind, ...)
    made = create_model(
        f"{table.name}AssetRecord", __base__=AssetRecord, __module__=__name__, **fields
    )
    made.asset_table = table.qualified
    return made
