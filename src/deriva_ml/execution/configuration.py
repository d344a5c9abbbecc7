"""What a run is asked to do: its inputs, its workflow, and how it was started."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from ..asset.spec import AssetSpec, LocalFile, asset_input
from ..core.constants import RID
from ..core.exceptions import DerivaMLConfigurationError
from ..core.html_tables import settings_html
from ..core.omega import fields_of, plain
from ..dataset.spec import DatasetSpec
from .secrets import masked_words
from .workflow import Workflow

__all__ = ["ExecutionConfiguration", "started_with"]


def started_with(argv: Iterable[str]) -> list[str]:
    """Return a command line with the values of options and overrides that are secrets masked."""
    return masked_words(list(argv))


def _listed(value: Any) -> Any:
    """Return the entries of a list, whichever kind of sequence holds them; None is no entry."""
    value = plain(value)
    return [] if value is None else value


def _inputs(value: Any) -> Any:
    """Return the entries of `assets` as specs."""
    entries = _listed(value)
    if isinstance(entries, str | Mapping) or not isinstance(entries, Iterable):
        return entries
    return [asset_input(entry) for entry in entries]


def _asset_document(entry: Any) -> Any:
    """Return the JSON form of an input."""
    return entry.to_dict() if isinstance(entry, AssetSpec) else entry.model_dump(mode="json")


Inputs = Annotated[
    list[AssetSpec | LocalFile],
    BeforeValidator(_inputs),
    PlainSerializer(lambda entries: [_asset_document(e) for e in entries]),
]


class ExecutionConfiguration(BaseModel):
    """Inputs and circumstances of a run.

    Attributes:
        datasets: The dataset versions that are read. An entry may be a `DatasetSpec`, its
            configuration, a mapping, or a text such as ``"1ABC@1.2.0"``.
        assets: The files that are read. An entry may be the RID of an asset, an `AssetSpec`, a
            `LocalFile`, the configuration of one of them, or a mapping with ``rid`` or ``path``.
        workflow: The code that runs: a `Workflow`, or the RID of one that the catalog has.
        description: Why the run is made.
        argv: How the process was started, values of secrets masked.
        config_choices: The option chosen from each group of the configuration.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    datasets: Annotated[list[DatasetSpec], BeforeValidator(_listed)] = Field(default_factory=list)
    assets: Inputs = Field(default_factory=list)
    workflow: SerializeAsAny[Workflow] | RID | None = None
    description: str = ""
    # None becomes the command line when the configuration is made, not when it is described.
    argv: Annotated[list[str] | None, BeforeValidator(plain)] = None
    config_choices: Annotated[dict[str, str], BeforeValidator(plain)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _mapped(cls, value: Any) -> Any:
        return fields_of(value)

    @model_validator(mode="after")
    def _command_line(self) -> ExecutionConfiguration:
        if self.argv is None:
            self.__dict__["argv"] = started_with(sys.argv)
        return self

    def _repr_html_(self) -> str:
        workflow = self.workflow
        shown = {
            "description": self.description,
            "datasets": [f"{spec.rid}@{spec.version}" for spec in self.datasets],
            "assets": [getattr(a, "rid", None) or getattr(a, "path", a) for a in self.assets],
            "workflow": getattr(workflow, "name", workflow),
            "choices": self.config_choices,
        }
        return settings_html("ExecutionConfiguration", shown)

    @staticmethod
    def load_configuration(path: Path | str) -> ExecutionConfiguration:
        """Read the JSON file that `save` wrote.

        Raises:
            DerivaMLConfigurationError: The file cannot be read, or is not such a document.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
            return ExecutionConfiguration.model_validate_json(text)
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            msg = f"{str(path)!r} does not hold the configuration of an execution: {error}"
            raise DerivaMLConfigurationError(msg) from error

    def save(self, path: Path | str) -> Path:
        """Write the configuration as JSON and return where."""
        target = Path(path)
        target.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return target
