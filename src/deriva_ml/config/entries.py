"""What configuration files say about a catalog, and what was found about it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ConfigEntry",
    "ConfigEntryResult",
    "ConfigFileParseError",
    "ConfigKind",
    "ConfigValidationReport",
]

ConfigKind = Literal["deriva_ml", "datasets", "assets", "workflow"]
"""The groups of a configuration whose options name things of a catalog."""

Reason = Literal[
    "rid_not_found",
    "not_a_dataset",
    "not_an_asset",
    "not_a_workflow",
    "version_missing",
    "version_not_found",
    "version_not_readable",
    "rid_unresolvable",
    "catalog_unreachable",
    "catalog_hostname_mismatch",
    "catalog_id_mismatch",
]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConfigFileParseError(_Value):
    """A file that is no Python, or cannot be read.

    Attributes:
        file: Its path.
        line: Where the mistake is, counted from 1; 0 when it concerns the whole file.
        message: What is wrong.
    """

    file: str
    line: int
    message: str


class ConfigEntry(_Value):
    """A place in a configuration that names something of a catalog.

    Attributes:
        file: Path of the file.
        line: The line that it begins in, counted from 1.
        col: The column, counted from 1.
        entry_kind: What is named: a connection (``deriva_ml``), a dataset, an asset, a workflow.
        rid: The RID, if the text tells it.
        version: The version of a dataset, if the text tells it.
        hostname: The host of a connection.
        catalog_id: The catalog of a connection.
        cache: Whether an asset is kept in the cache, if the text tells it.
        snippet: The first line of the text.
    """

    file: str
    line: int
    col: int
    entry_kind: ConfigKind
    rid: str | None = None
    version: str | None = None
    hostname: str | None = None
    catalog_id: str | None = None
    cache: bool | None = None
    snippet: str = ""

    @property
    def place(self) -> str:
        """``file:line:column``, as editors understand it."""
        return f"{self.file}:{self.line}:{self.col}"


class ConfigEntryResult(_Value):
    """What was found about an entry.

    Attributes:
        entry: The entry.
        valid: Whether it can be used with the catalog.
        reasons: Why not. ``rid_unresolvable`` and ``version_missing`` say that the text does not
            tell the value: it is computed when the configuration is imported, or left out.
        actual_table: The table of the row that has the RID.
        available_versions: The versions of the dataset, the oldest first.
        resolved_name: Description of the dataset, file name of the asset, name of the workflow.
    """

    entry: ConfigEntry
    valid: bool
    reasons: list[Reason] = Field(default_factory=list)
    actual_table: str | None = None
    available_versions: list[str] = Field(default_factory=list)
    resolved_name: str | None = None


class ConfigValidationReport(_Value):
    """What was found in one or more files.

    Attributes:
        file_count: How many files were read.
        entry_count: How many entries are in them.
        all_valid: Whether all entries are valid and all files could be read.
        results: One for each entry, in the order of files and lines.
        parse_errors: The files that could not be read.
    """

    file_count: int
    entry_count: int
    all_valid: bool
    results: list[ConfigEntryResult] = Field(default_factory=list)
    parse_errors: list[ConfigFileParseError] = Field(default_factory=list)

    def to_text(self) -> str:
        """A line for each thing that is wrong, then one that sums up."""
        lines = [f"{e.file}:{e.line}: {e.message}" for e in self.parse_errors]
        for result in self.results:
            if not result.valid:
                named = result.entry.rid or result.entry.hostname or result.entry.snippet
                versions = f" (there are {', '.join(result.available_versions)})"
                known = versions if "version_not_found" in result.reasons else ""
                lines.append(f"{result.entry.place}: {named}: {', '.join(result.reasons)}{known}")
        wrong = sum(not r.valid for r in self.results) + len(self.parse_errors)
        told = f"{self.entry_count} entries in {self.file_count} files"
        return "\n".join([*lines, f"{told}: {'all valid' if not wrong else f'{wrong} wrong'}"])
