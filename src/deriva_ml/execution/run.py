"""One execution as the modules of this package share it: its journal, directory and catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.model.elements import Table
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.session import Session

from .calls import CallLog
from .configuration import ExecutionConfiguration
from .local import LocalRuns

if TYPE_CHECKING:
    from deriva_ml.asset.collection import Assets
    from deriva_ml.core.vocabulary import Vocabularies
    from deriva_ml.dataset.collection import Datasets
    from deriva_ml.feature.collection import Features

    from .journal import Journal
    from .workflows import Workflows

__all__ = ["Run", "Surroundings"]


@dataclass(frozen=True)
class Surroundings:
    """What executions work with: the catalog's collaborators, and this machine's directories."""

    session: Session
    vocabularies: Vocabularies
    datasets: Datasets
    features: Features
    assets: Assets
    workflows: Workflows
    hydra_output: Path | None = None

    @cached_property
    def local(self) -> LocalRuns:
        """The directories and journals of executions."""
        return LocalRuns(self.session.working_dir)


class Run:
    """An execution that is under way or was taken up again.

    Attributes:
        around: What it works with.
        rid: RID of its row; ``0000`` in a dry run.
        journal: What it has done so far.
        directory: Where its files are.
        dry_run: Whether nothing is written to the catalog.
        started: Whether the run began through this object, not only before it was taken up.
        asset_types: Words that were looked up before, and the terms of ``Asset_Type`` they mean.
        asset_tables: Asset tables that were looked up before, by the names that they were given
            by. The commit looks at the catalog again, so that a change of a table is seen there.
        feature_terms: Terms that were looked up before, by their vocabulary (``schema:table``).
        feature_rows: RIDs that feature values refer to and that were looked up before, likewise.
    """

    def __init__(
        self,
        around: Surroundings,
        rid: str,
        journal: Journal,
        directory: Path,
        *,
        dry_run: bool = False,
        attempt: int | None = None,
    ) -> None:
        self.around = around
        self.rid = rid
        self.journal = journal
        self.directory = directory
        self.dry_run = dry_run
        self.started = False
        self._attempt = attempt
        self.asset_types: dict[str, str] = {}
        self.asset_tables: dict[str, Table] = {}
        self.feature_terms: dict[str, set[str]] = {}
        self.feature_rows: dict[str, set[str]] = {}

    @property
    def session(self) -> Session:
        """The session on the catalog."""
        return self.around.session

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the journal says at the moment."""
        return self.journal.facts()

    @property
    def status(self) -> ExecutionStatus:
        """The state that the execution is in."""
        return ExecutionStatus(self.journal.fact("status"))

    @property
    def attempt(self) -> int:
        """Which attempt of the run this is: the first, or another after it was taken up."""
        if self._attempt is None:
            self._attempt = self.journal.new_attempt()
        return self._attempt

    def begin(self) -> None:
        """The run begins; after it had failed through this object, with a new attempt."""
        again = self.started and self.status is ExecutionStatus.Failed
        if again:
            self._attempt = self.journal.new_attempt()
        self.calls.begin(again=again)
        self.started = True

    @cached_property
    def calls(self) -> CallLog:
        """Its calls that change the catalog at once."""
        return CallLog(self.session, self.rid, self.journal, lambda: self.attempt)

    @cached_property
    def configuration(self) -> ExecutionConfiguration:
        """What the execution was asked to do."""
        return ExecutionConfiguration.model_validate(self.facts["configuration"])

    def inside(self, path: Path) -> Path:
        """A path of the journal as a path of this machine."""
        return self.directory / path
