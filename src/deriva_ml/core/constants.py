"""Fixed names and values that the ML schema and its users agree on."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = [
    "DRY_RUN_RID",
    "INTENTIONAL_FK_CYCLES",
    "ML_SCHEMA",
    "PROVENANCE_TERMINAL_TABLES",
    "RID",
    "RID_PATTERN",
    "SENTINEL_EXECUTION_DESCRIPTION",
    "SENTINEL_FILE_MD5",
    "SENTINEL_FILE_URL",
    "SENTINEL_WORKFLOW_CHECKSUM",
    "SENTINEL_WORKFLOW_URL",
    "STRICT_PREALLOCATED_RID",
    "SYSTEM_SCHEMAS",
    "DerivaAssetColumns",
    "DerivaSystemColumns",
    "all_plain_rids",
    "is_rid",
]

ML_SCHEMA = "deriva-ml"
"""Name of the schema that holds datasets, executions, workflows and their vocabularies."""

DRY_RUN_RID = "0000"
"""RID of an execution that writes nothing."""

SYSTEM_SCHEMAS = frozenset({"public", "www", "WWW"})
"""Schemas that belong to the catalog itself."""

_CODE = r"[A-Z0-9]{1,4}(?:-[A-Z0-9]{4})*"
RID_PATTERN = rf"^{_CODE}(?:@{_CODE})?$"
"""A RID, optionally followed by ``@`` and a snapshot: ``1ABC``, ``2-277G``, ``1ABC@2Z9-XXXX``."""


@dataclass(frozen=True, slots=True)
class _Formed:
    """Has pydantic check a text; pydantic itself is not needed to say so, and is seldom there."""

    pattern: str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.str_schema(pattern=self.pattern)


RID = Annotated[str, _Formed(RID_PATTERN)]
"""A row identifier as a type: pydantic checks its form."""

_RID = re.compile(rf"{_CODE}(?:@{_CODE})?")
_PLAIN_RID = re.compile(_CODE)


def is_rid(text: object) -> bool:
    """Whether `text` is a string in the form of a RID (it need not exist in a catalog)."""
    return isinstance(text, str) and _RID.fullmatch(text) is not None


def all_plain_rids(values: Collection[object]) -> bool:
    """Whether all are strings in the form of a RID without a snapshot.

    Cost: two passes in C, a fraction of calling `is_rid` for each.
    """
    return set(map(type, values)) <= {str} and all(map(_PLAIN_RID.fullmatch, values))  # type: ignore[arg-type]


DerivaSystemColumns = ["RID", "RCT", "RMT", "RCB", "RMB"]
"""Columns that the catalog maintains in every table."""

DerivaAssetColumns = {"Filename", "URL", "Length", "MD5", "Description", *DerivaSystemColumns}
"""Columns of an asset table that are not metadata."""

PROVENANCE_TERMINAL_TABLES = frozenset({(ML_SCHEMA, "Execution"), (ML_SCHEMA, "Workflow")})
"""Tables that the walk over a dataset enters but does not leave through inbound keys."""

INTENTIONAL_FK_CYCLES = frozenset(
    {frozenset({(ML_SCHEMA, "Dataset"), (ML_SCHEMA, "Dataset_Version")})}
)
"""Groups of tables that refer to each other on purpose: a dataset and its current version."""

SENTINEL_WORKFLOW_URL = "tag:deriva-ml,unknown-provenance:workflow"
SENTINEL_WORKFLOW_CHECKSUM = "0" * 40
SENTINEL_FILE_URL = "tag:deriva-ml,unknown-provenance:file"
SENTINEL_FILE_MD5 = "0" * 32
SENTINEL_EXECUTION_DESCRIPTION = "deriva-ml unknown-provenance sentinel execution"

STRICT_PREALLOCATED_RID = "tag:isrd.isi.edu,2026:strict-preallocated-rid"
"""Annotation of an asset table whose rows are to be inserted under RIDs that were leased before."""
