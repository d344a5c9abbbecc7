"""A workflow: the code that executions run, by name, kind, and where exactly it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, field_validator, model_validator

from ..core.constants import RID
from ..core.html_tables import settings_html
from ..core.omega import fields_of, plain
from ..core.when_loaded import when_loaded
from .source import CodeSource, calling_source, describe_version, identify_file

__all__ = ["Workflow"]

_WRITTEN_THROUGH = ("description", "workflow_type")


class Workflow(BaseModel):
    """The code behind an execution.

    A workflow made by hand says what it is called and of what kind it is; `identify` finds out
    which file it is, and `DerivaML` calls that when the workflow is first used. A workflow that
    comes from the catalog knows all this already; assigning its description or its types then
    changes the catalog too.

    Attributes:
        name: What people call it.
        workflow_type: One or more terms of the vocabulary ``Workflow_Type``.
        description: What it does.
        url: Where its code can be read.
        version: Version of the repository, with ``+...dirty...`` where uncommitted code ran.
        workflow_rid: Its RID, once the catalog has it.
        checksum: git's hash of the file that ran, or another hash where there is no file.
        is_notebook: Whether the file is a notebook.
        git_root: The directory of its repository.
        allow_dirty: Whether uncommitted changes are fine even where committed code is required.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    name: str
    workflow_type: str | list[str]
    description: str | None = None
    url: str | None = None
    version: str | None = None
    workflow_rid: RID | None = None
    checksum: str | None = None
    is_notebook: bool = False
    git_root: Path | None = None
    allow_dirty: bool = False

    _source: CodeSource | None = PrivateAttr(default=None)
    _save: Callable[[str, Any], None] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, value: Any) -> Any:
        fields = fields_of(value)
        if isinstance(fields, dict) and "rid" in fields:
            fields = {("workflow_rid" if k == "rid" else k): v for k, v in fields.items()}
        return fields

    @field_validator("workflow_type", mode="before")
    @classmethod
    def _types(cls, value: Any) -> Any:
        return plain(value)

    def _repr_html_(self) -> str:
        types = [self.workflow_type] if isinstance(self.workflow_type, str) else self.workflow_type
        shown = {
            "name": self.name,
            "type": types,
            "description": self.description,
            "RID": self.workflow_rid,
            "url": self.url,
            "version": self.version,
        }
        return settings_html("Workflow", shown)

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal; how they were found out does not count."""
        return isinstance(other, Workflow) and self.__dict__ == other.__dict__

    @property
    def rid(self) -> str | None:
        """The older name of `workflow_rid`."""
        return self.workflow_rid

    @property
    def source(self) -> CodeSource | None:
        """What `identify` found: commit, uncommitted paths and notes; None before."""
        return self._source

    @property
    def workflow_types(self) -> list[str]:
        """The types as a list, however they were given."""
        return [self.workflow_type] if isinstance(self.workflow_type, str) else self.workflow_type

    def add_workflow_type(self, workflow_type: str) -> None:
        """Add a type; one that is there already changes nothing."""
        self.add_workflow_types([workflow_type])

    def add_workflow_types(self, workflow_types: Iterable[str]) -> None:
        """Add types; those that are there already change nothing."""
        merged = list(dict.fromkeys([*self.workflow_types, *workflow_types]))
        if merged != self.workflow_types:
            self.workflow_type = merged

    def remove_workflow_type(self, workflow_type: str) -> None:
        """Remove a type; one that is absent changes nothing."""
        if workflow_type in self.workflow_types:
            self.workflow_type = [t for t in self.workflow_types if t != workflow_type]

    def attach(self, save: Callable[[str, Any], None]) -> None:
        """Let assignments to the description and the types also call ``save(field, value)``.

        The session calls this for workflows that the catalog has. `save` runs before the value
        changes here, so that an error of the catalog leaves both sides as they were.
        """
        self._save = save

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _WRITTEN_THROUGH and self._save is not None:
            checked = self.__class__.model_validate({**self.model_dump(), name: value})
            self._save(name, getattr(checked, name))
        super().__setattr__(name, value)

    def identify(
        self, path: Path | str | None = None, *, strict_git: bool | None = None
    ) -> Workflow:
        """Find out which code this is, fill `url`, `checksum` and `version`, and return self.

        Nothing changes for a workflow that the catalog has or whose URL and checksum were given.

        Args:
            path: The file; None means the script or notebook that is calling.
            strict_git: Whether uncommitted changes are an error; None means as
                ``DERIVA_ML_STRICT_GIT`` says.

        Raises:
            DerivaMLDirtyWorkflowError: There are uncommitted changes and strictness is on.
            DerivaMLWorkflowError: `path` does not exist.
        """
        if self.workflow_rid is not None or (self.url and self.checksum):
            return self
        if path is None:
            found = calling_source(allow_dirty=self.allow_dirty, strict_git=strict_git)
        else:
            found = identify_file(path, allow_dirty=self.allow_dirty, strict_git=strict_git)
        self._source = found
        self.url = self.url or found.url
        self.checksum = self.checksum or found.checksum
        self.version = self.version or found.version
        self.is_notebook = found.is_notebook
        self.git_root = found.git_root
        return self

    @staticmethod
    def get_url_and_checksum(path: Path | str, allow_dirty: bool = False) -> tuple[str, str]:
        """Return where the file `path` can be read, and git's hash of it.

        Raises:
            DerivaMLDirtyWorkflowError: As for `identify`.
        """
        found = identify_file(path, allow_dirty=allow_dirty)
        return found.url, found.checksum

    @staticmethod
    def get_dynamic_version(root: Path | str | None = None) -> str:
        """Return the version of the repository at `root` (the working directory when None).

        ``1.2.0`` on that tag; ``1.2.0.post3+g1a2b3c4`` three commits later; with
        ``.dirty.<hash>`` at the end where there are uncommitted changes; ``unversioned`` outside
        a repository.
        """
        return describe_version(Path(root) if root is not None else Path.cwd())


def _keep_descriptions() -> None:
    # Another thread may be importing it just now, waiting for hydra-zen: to take a name from it, or
    # to have `importlib` import it, would fail then. It does what is wanted at its end.
    import deriva_ml.core.zen_store  # noqa: F401


# A `Workflow` has a description, and its stored configuration may have another: see `zen_store`.
when_loaded("hydra_zen", _keep_descriptions)
