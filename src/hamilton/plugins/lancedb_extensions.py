"""LanceDB: saving tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Literal

from hamilton.io.data_adapters import DataSaver
from hamilton.io.utils import get_dataframe_metadata, get_sql_metadata
from hamilton.plugins._loaded import loaded_class, loaded_types
from hamilton.registry import register_adapter

__all__ = ["LanceDBSaver"]


@dataclasses.dataclass
class LanceDBSaver(DataSaver):
    """Saves a frame, an Arrow table or a Hugging Face dataset as a table of LanceDB.

    Attributes:
        db_client: A connection: ``lancedb.connect(...)``.
        table_name: The table.
        columns_to_write: The columns; default all.
        write_mode: ``overwrite`` or ``create`` the table, or ``append`` to it.
    """

    db_client: Any
    table_name: str
    columns_to_write: Sequence[str] | None = None
    write_mode: Literal["overwrite", "create", "append"] = "overwrite"

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the table types of the libraries that are in use."""
        return loaded_types("pandas.DataFrame", "pyarrow.Table", "datasets.arrow_dataset.Dataset")

    @classmethod
    def name(cls) -> str:
        """Returns ``lancedb``."""
        return "lancedb"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the rows, all of them or none.

        Raises:
            ValueError: The mode is unknown.
        """
        if self.write_mode not in ("overwrite", "create", "append"):
            raise ValueError(
                f"write_mode is {self.write_mode!r}; it must be 'overwrite', 'create' or 'append'."
            )
        table = _arrow(data)
        if self.columns_to_write is not None:
            table = table.select(list(self.columns_to_write))
        if self.write_mode == "append":
            self.db_client.open_table(self.table_name).add(table)
        else:
            self.db_client.create_table(self.table_name, table, mode=self.write_mode)
        return {
            **get_sql_metadata(self.table_name, table.num_rows),
            **get_dataframe_metadata(table),
        }


def _arrow(data: Any) -> Any:
    import pyarrow as pa

    dataset = loaded_class("datasets.arrow_dataset.Dataset")
    if dataset is not None and isinstance(data, dataset):
        return data.with_format("arrow")[:]
    return data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)


register_adapter(LanceDBSaver)
