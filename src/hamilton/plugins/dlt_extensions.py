"""dlt: loading what a resource gives, and saving through a pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.utils import get_dataframe_metadata, get_sql_metadata
from hamilton.plugins._loaded import loaded_types
from hamilton.registry import register_adapter

__all__ = ["DltDestinationSaver", "DltResourceLoader"]


@dataclasses.dataclass
class DltResourceLoader(DataLoader):
    """Loads the rows of a resource as a frame, without a pipeline in between.

    Attributes:
        resource: A ``dlt.resource``, whose items are rows, lists of rows, frames or Arrow tables.
    """

    resource: Any

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the DataFrame of pandas."""
        import pandas as pd

        return [pd.DataFrame]

    @classmethod
    def name(cls) -> str:
        """Returns ``dlt``."""
        return "dlt"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the frame, with the name of the resource in its metadata."""
        import pandas as pd

        rows: list[Any] = []
        frames: list[Any] = []
        for item in self.resource:
            if isinstance(item, pd.DataFrame):
                frames.append(item)
            elif hasattr(item, "to_pandas"):
                frames.append(item.to_pandas())
            elif isinstance(item, list):
                rows.extend(item)
            else:
                rows.append(item)
        if rows or not frames:
            frames.append(pd.DataFrame(rows))
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        facts = {"dlt_resource": {"name": self.resource.name}}
        return frame, {**facts, **get_dataframe_metadata(frame)}


@dataclasses.dataclass
class DltDestinationSaver(DataSaver):
    """Saves rows, a frame or an Arrow table to the destination of a pipeline.

    Attributes:
        pipeline: A ``dlt.pipeline``.
        table_name: The table.
        primary_key: Its key columns.
        write_disposition: ``append``, ``replace``, ``merge`` or ``skip``; default that of dlt.
        columns: Hints for columns.
        schema: The schema to use.
        schema_contract: What may change in the schema.
        table_format: Format of tables at the destination.
        loader_file_format: Format of the files that are loaded.
    """

    pipeline: Any
    table_name: str
    primary_key: str | Collection[str] | None = None
    write_disposition: str | None = None
    columns: Any = None
    schema: Any = None
    schema_contract: Any = None
    table_format: str | None = None
    loader_file_format: str | None = None

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns lists, and the table types of the libraries that are in use."""
        return [list, *loaded_types("pandas.DataFrame", "pyarrow.Table")]

    @classmethod
    def name(cls) -> str:
        """Returns ``dlt``."""
        return "dlt"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Runs the pipeline and returns its load packages and the rows."""
        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "pipeline" and getattr(self, field.name) is not None
        }
        info = self.pipeline.run(data, **given)
        info.raise_on_failed_jobs()
        return {
            **get_sql_metadata(self.table_name, len(data)),
            "dlt_load": {
                "pipeline": self.pipeline.pipeline_name,
                "dataset": info.dataset_name,
                "load_ids": list(info.loads_ids),
            },
        }


register_adapter(DltResourceLoader)
register_adapter(DltDestinationSaver)
