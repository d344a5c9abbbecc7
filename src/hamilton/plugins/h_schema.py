"""Schemas of outputs kept, and compared on later runs."""

from __future__ import annotations

import json
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hamilton.lifecycle.base import BasePostNodeExecute, BasePreGraphExecute
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = [
    "SchemaValidator",
    "diff_schemas",
    "get_dataframe_schema",
    "human_readable_diff",
    "load_schema",
    "pyarrow_schema_to_json",
    "save_schema",
]

logger = logging.getLogger(__name__)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise missing_library("pyarrow", "'derivaml[dataflow]'") from None
    return pyarrow


def get_dataframe_schema(df: Any) -> Any:
    """Returns the Arrow schema of a frame; None for what is no frame."""
    pa = _pyarrow()
    if isinstance(df, (pa.Table, pa.RecordBatch)):
        return df.schema
    if type(df).__module__.partition(".")[0] == "pandas" and hasattr(df, "columns"):
        return pa.Schema.from_pandas(df)
    if hasattr(df, "columns") and hasattr(df, "__arrow_c_stream__"):
        return pa.table(df).schema
    return None


def save_schema(path: str | os.PathLike[str], schema: Any) -> None:
    """Writes a schema in Arrow's own form."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(schema.serialize().to_pybytes())


def load_schema(path: str | os.PathLike[str]) -> Any:
    """Returns a schema that `save_schema` wrote."""
    pa = _pyarrow()
    return pa.ipc.read_schema(pa.py_buffer(Path(path).read_bytes()))


def pyarrow_schema_to_json(schema: Any) -> dict[str, Any]:
    """Returns a schema as plain data: fields with type, nullability and metadata."""
    return {
        "metadata": _texts(schema.metadata),
        "fields": {
            field.name: {
                "type": str(field.type),
                "nullable": field.nullable,
                "metadata": _texts(field.metadata),
            }
            for field in schema
        },
    }


def _texts(metadata: Any) -> dict[str, str]:
    return {
        k.decode(errors="replace"): v.decode(errors="replace") for k, v in (metadata or {}).items()
    }


def diff_schemas(
    current_schema: Any,
    reference_schema: Any,
    check_schema_metadata: bool = False,
    check_field_metadata: bool = False,
) -> dict[str, Any]:
    """Returns what differs, by field: ``added``, ``removed`` or ``(reference, current)``."""
    current = pyarrow_schema_to_json(current_schema)
    reference = pyarrow_schema_to_json(reference_schema)
    found: dict[str, Any] = {}
    for name in {**reference["fields"], **current["fields"]}:
        old, new = reference["fields"].get(name), current["fields"].get(name)
        if old is None:
            found[name] = "added"
        elif new is None:
            found[name] = "removed"
        else:
            keys = ["type", "nullable", *(["metadata"] if check_field_metadata else [])]
            changed = {k: (old[k], new[k]) for k in keys if old[k] != new[k]}
            if changed:
                found[name] = changed
    if check_schema_metadata and current["metadata"] != reference["metadata"]:
        found["schema metadata"] = (reference["metadata"], current["metadata"])
    return found


def human_readable_diff(diff: dict[str, Any]) -> str:
    """Returns a difference as indented lines."""
    return json.dumps(diff, indent=2, default=str)


class SchemaValidator(BasePreGraphExecute, BasePostNodeExecute):
    """Keeps the schema of every requested frame, and compares it on later runs.

    Args:
        schema_dir: Where schemas lie, a file for each node.
        check: Compare; False writes the schemas anew.
        must_exist: A node without a kept schema is an error.
        importance: ``warn``, or ``fail`` with an exception.
        check_schema_metadata: Compare the metadata of schemas as well.
        check_field_metadata: Compare the metadata of fields as well.

    Raises:
        ValueError: The importance is unknown.
    """

    def __init__(
        self,
        schema_dir: str | os.PathLike[str] = "./schemas",
        check: bool = True,
        must_exist: bool = False,
        importance: Literal["warn", "fail"] = "warn",
        check_schema_metadata: bool = False,
        check_field_metadata: bool = False,
    ) -> None:
        if importance not in ("warn", "fail"):
            raise ValueError(f"importance is {importance!r}; use 'warn' or 'fail'.")
        self.schema_dir = Path(schema_dir)
        self.check = check
        self.must_exist = must_exist
        self.importance = importance
        self.check_schema_metadata = check_schema_metadata
        self.check_field_metadata = check_field_metadata
        self.schemas: dict[str, Any] = {}
        self.schema_diffs: dict[str, dict[str, Any]] = {}
        self._wanted: frozenset[str] = frozenset()

    @property
    def json_schemas(self) -> dict[str, dict[str, Any]]:
        """The schemas of the last run as plain data."""
        return {name: pyarrow_schema_to_json(schema) for name, schema in self.schemas.items()}

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Notes what is requested."""
        self._wanted = frozenset(final_vars)
        self.schemas, self.schema_diffs = {}, {}

    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Keeps or compares the schema of a requested frame."""
        if not success or node_.name not in self._wanted:
            return
        schema = get_dataframe_schema(result)
        if schema is None:
            return
        self.schemas[node_.name] = schema
        file = self.schema_dir / f"{node_.name}.schema"
        if not self.check or not file.exists():
            if self.check and self.must_exist:
                self._tell(FileNotFoundError(f"There is no kept schema {str(file)!r}."))
                return
            save_schema(file, schema)
            return
        diff = diff_schemas(
            schema, load_schema(file), self.check_schema_metadata, self.check_field_metadata
        )
        if diff:
            self.schema_diffs[node_.name] = diff
            text = human_readable_diff(diff)
            self._tell(RuntimeError(f"The schema of {node_.name!r} has changed:\n{text}"))

    def _tell(self, problem: Exception) -> None:
        if self.importance == "fail":
            raise problem
        warnings.warn(str(problem), stacklevel=4)
