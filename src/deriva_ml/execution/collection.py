"""The executions of a catalog and of this machine: creating, finding, resuming, clearing away."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.path.ast import Aggregate, AttributeGroupQuery, ColumnName, Function, Item
from deriva_ml.core.arguments import days, mode_named, moment, status_named, words
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.enums import ConnectionMode, ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLStateInconsistency,
    DerivaMLUploadError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.query import any_of, entities, equals, path_of
from deriva_ml.core.rids import check_rid

from .commit import commit, finish_commit
from .configuration import ExecutionConfiguration
from .creation import Request, begin, settle_unfinished
from .lifecycle import catalog_row, tell_catalog
from .record import ExecutionRecord, find_rows, record_row
from .registry import ExecutionSnapshot, chosen, pending_of, snapshots, with_fingerprint
from .report import PendingSummary, UploadReport, WorkspacePendingSummary
from .run import Run, Surroundings
from .workflow import Workflow

if TYPE_CHECKING:
    from .execution import Execution

__all__ = ["Executions", "MultirunStatusSummary"]

_S = ExecutionStatus
_ENDED = frozenset({_S.Uploaded, _S.Aborted})
_DEAD_AFTER = timedelta(days=1)
_ROLES = {"input": "Dataset_Execution", "output": "Dataset_Version"}


@dataclass(frozen=True, slots=True)
class MultirunStatusSummary:
    """How many executions of a workflow are in which state."""

    workflow_rid: str
    counts: dict[str, int]
    total: int


class Executions:
    """The executions of a catalog, and those that have a journal on this machine."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around

    # --- creating and resuming -------------------------------------------------------

    @translated()
    def begin(
        self,
        configuration: ExecutionConfiguration,
        workflow: Workflow | str | None = None,
        *,
        dry_run: bool = False,
        parent: str | None = None,
        sequence: int | None = None,
        fingerprint: str | None = None,
    ) -> Run:
        """Create an execution (see `deriva_ml.execution.creation`).

        The workflow is the one given, else that of the configuration, else the calling script.
        """
        chosen_workflow = workflow if workflow is not None else configuration.workflow
        found = self.around.workflows.given(chosen_workflow)
        request = Request(configuration, found, dry_run, parent, sequence, fingerprint)
        return begin(self.around, request)

    @translated()
    def reopen(self, rid: str) -> Run:
        """Take up an execution that has a journal here.

        What the journal and the catalog say is brought together: a commit that took place is
        noted, and the catalog learns what it missed. Without a connection, that is left to the
        next time.

        Raises:
            DerivaMLStateInconsistency: There is no journal, or it contradicts the catalog.
        """
        check_rid(rid)
        offline = self.around.session.is_offline
        if not self.around.local.has(rid):
            settle_unfinished(self.around)
        journal, directory = self.around.local.open(rid)
        run = Run(self.around, rid, journal, directory)
        try:
            if not offline:
                _reconcile(run)
        except BaseException:
            journal.close()
            raise
        return run

    @translated()
    def only(self) -> str:
        """The RID of the one execution of this machine that is not finished.

        Raises:
            DerivaMLValidationError: There is none, or there are several.
        """
        waiting = [s.rid for s in self.incomplete()]
        if len(waiting) != 1:
            raise DerivaMLValidationError(
                f"Say which execution to take up: {len(waiting)} are not finished "
                f"({', '.join(waiting) or 'none'})."
            )
        return waiting[0]

    # --- the catalog -----------------------------------------------------------------

    @translated()
    def lookup(self, rid: str) -> ExecutionRecord:
        """An execution as the catalog knows it.

        Raises:
            DerivaMLNotFoundError: There is no execution of that RID.
        """
        return ExecutionRecord(self, record_row(self.around.session, rid))

    @translated()
    def records(self, rids: Iterable[str]) -> list[ExecutionRecord]:
        """Several executions, in the order given; one query."""
        wanted = list(rids)
        if not wanted:
            return []
        table = self.around.session.ml("Execution")
        rows = {
            r["RID"]: r for r in self.around.session.fetch(entities(table, any_of("RID", wanted)))
        }
        return [ExecutionRecord(self, rows[rid]) for rid in wanted if rid in rows]

    @translated()
    def find(
        self,
        workflow: Workflow | str | None = None,
        workflow_type: str | Iterable[str] | None = None,
        status: ExecutionStatus | str | None = None,
        newest_first: bool = False,
        dataset: Any = None,
        dataset_role: str = "any",
        checksum: str | None = None,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
    ) -> list[ExecutionRecord]:
        """Executions of the catalog that satisfy all conditions, in one query (``any``: two).

        Args:
            workflow: Their workflow, or its RID.
            workflow_type: A type of their workflow, or several, one of which it has.
            status: Their state.
            newest_first: Sort by the time of creation; otherwise by RID.
            dataset: A dataset that they read or made a version of, or its RID.
            dataset_role: ``input``, ``output`` or ``any``.
            checksum: The checksum of their code: git's hash of the script, or for a run that was
                filed (`DerivaML.file_run`) that of the tree.
            since: They began at this time or later: a time, which is local without a zone, or a
                day, also as a text in ISO 8601.
            until: They began before this time.

        Raises:
            DerivaMLValidationError: The role is none of these, or is given without a dataset;
                there is no such state; or a time is none.
        """
        types = self._workflow_types(workflow_type)
        state = None if status is None else status_named(status).value
        code = self.around.workflows.rid_of(workflow)
        if workflow is not None and code is None:
            return []
        begun = None if since is None else moment(since, "since")
        before = None if until is None else moment(until, "until")
        rows: dict[str, Row] = {}
        for links in _dataset_links(dataset, dataset_role):
            found = find_rows(
                self.around.session,
                workflow=code,
                workflow_types=types,
                status=state,
                dataset_links=links,
                checksum=checksum,
                since=begun,
                until=before,
            )
            rows.update((row["RID"], row) for row in found)
        made = [ExecutionRecord(self, row) for row in rows.values()]
        if newest_first:
            made.sort(key=lambda e: e._row["RCT"], reverse=True)
        return made

    def _workflow_types(self, given: str | Iterable[str] | None) -> list[str] | None:
        if given is None:
            return None
        types = words(given, "workflow_type")
        terms = self.around.vocabularies.lookup_terms(MLVocab.workflow_type, types)
        return [t.name for t in terms]

    @translated()
    def status_summary(self, workflow_rid: str) -> MultirunStatusSummary:
        """How many executions of a workflow are in which state, in one query."""
        table = self.around.session.ml("Execution")
        counted = Item(Aggregate(Function.CNT, ColumnName("RID")), "count")
        path = path_of(table, equals("Workflow", check_rid(workflow_rid)))
        query = AttributeGroupQuery(path, (Item(ColumnName("Status")),), (counted,))
        counts: Counter[str] = Counter()
        for row in self.around.session.fetch(query):
            counts[row["Status"] or _S.Created.value] += row["count"]
        return MultirunStatusSummary(workflow_rid, dict(sorted(counts.items())), counts.total())

    # --- this machine ----------------------------------------------------------------

    @translated()
    def local(
        self,
        status: ExecutionStatus | str | Iterable[ExecutionStatus | str] | None = None,
        workflow_rid: str | None = None,
        mode: ConnectionMode | str | None = None,
        since: datetime | date | str | None = None,
    ) -> list[ExecutionSnapshot]:
        """Executions with a journal here, the newest first.

        Args:
            status: Only those in this state, or in one of these.
            workflow_rid: Only those of this workflow.
            mode: Only those that were connected in this way.
            since: Only those whose journal was written at this time or later.
        """
        settle_unfinished(self.around)
        states = [status] if isinstance(status, str) else status
        return chosen(
            snapshots(self.around.local),
            status=None if states is None else [status_named(s) for s in states],
            workflow_rid=workflow_rid,
            mode=None if mode is None else mode_named(mode),
            since=None if since is None else moment(since, "since"),
        )

    def incomplete(self) -> list[ExecutionSnapshot]:
        """Executions with a journal here that are not over, or have something to commit."""
        return [
            s
            for s in self.local()
            if s.status is not _S.Aborted
            and (s.status not in _ENDED or s.pending_files or s.pending_rows or s.sync_pending)
        ]

    @translated()
    def pending(self, rid: str) -> PendingSummary:
        """What an execution has not committed yet.

        Raises:
            DerivaMLStateInconsistency: It has no journal here.
        """
        journal, directory = self.around.local.open(check_rid(rid))
        try:
            return pending_of(rid, journal, directory)
        finally:
            journal.close()

    def pending_all(self) -> WorkspacePendingSummary:
        """What the executions of this working directory have not committed yet."""
        return WorkspacePendingSummary(tuple(self.pending(s.rid) for s in self.incomplete()))

    def commit_pending(
        self, rids: Iterable[str] | None = None, clean: bool = False
    ) -> UploadReport:
        """Commit executions whose runs have ended, or those given; one failing stops no other.

        Without `rids`, executions that are ``Created`` or ``Running`` are left alone: their
        outputs may be incomplete, or another process may be at work on them.
        """
        waiting = (_S.Stopped, _S.Pending_Upload, _S.Uploaded)
        found = [s.rid for s in self.incomplete() if s.status in waiting]
        report = UploadReport()
        for rid in found if rids is None else words(rids, "execution_rids"):
            run = self.reopen(rid)
            try:
                report.add(commit(run))
                if clean:
                    self.clean(run)
            except DerivaMLUploadError as error:
                report.execution_rids.append(rid)
                report.errors.append(f"{rid}: {error}")
                for output in run.journal.outputs():
                    if output.status != "uploaded":
                        report.count(f"{output.schema}/{output.table}", failed=1)
            finally:
                run.journal.close()
        return report

    @translated()
    def clean(self, run: Run) -> None:
        """Remove the files of an execution from this machine; its journal stays."""
        self.around.local.end(run.rid)

    @translated()
    def collect(
        self,
        older_than: timedelta | int | float | None = None,
        status: ExecutionStatus | str | Iterable[ExecutionStatus | str] | None = None,
        delete_working_dir: bool = False,
    ) -> int:
        """Forget executions that are over, and what died while it was being created.

        Args:
            older_than: Only those without activity for so long (a number means days).
            status: Only those in these states; None means ``Uploaded`` and ``Aborted``.
            delete_working_dir: Also those whose files are still here, with the files.

        Returns how many were forgotten. Those that have something to commit stay, unless their
        state is asked for by name.
        """
        states = _ENDED if status is None else status
        age = days(older_than, "older_than")
        limit = None if age is None else datetime.now().astimezone() - age
        with_files = {rid for rid, _ in self.around.local.directories()}
        forgotten = 0
        for found in self.local(status=states):
            waits = found.pending_files or found.pending_rows
            busy = status is None and found.status is not _S.Aborted and waits
            if busy or (found.rid in with_files and not delete_working_dir):
                continue
            if limit is None or found.last_activity <= limit:
                self.around.local.forget(found.rid)
                forgotten += 1
        self._collect_unborn()
        return forgotten

    def _collect_unborn(self) -> None:
        for _, directory in list(self.around.local.unsettled()):
            if time.time() - directory.stat().st_mtime > _DEAD_AFTER.total_seconds():
                shutil.rmtree(directory, ignore_errors=True)

    # --- resuming by fingerprint -----------------------------------------------------

    def with_fingerprint(self, fingerprint: str, parent: str | None) -> ExecutionSnapshot | None:
        """The newest execution here that has a fingerprint and belongs to `parent`.

        Aborted ones do not count: they were given up.
        """
        settle_unfinished(self.around)
        found = with_fingerprint(self.around.local, fingerprint, parent)
        return next((s for s in found if s.status is not _S.Aborted), None)

    def execution(self, run: Run) -> Execution:
        """The object that stands for a run."""
        from .execution import Execution

        return Execution.over(self, run)


def _dataset_links(dataset: Any, role: str) -> list[tuple[str, str] | None]:
    if role not in (*_ROLES, "any"):
        raise DerivaMLValidationError(f"dataset_role is 'input', 'output' or 'any', not {role!r}.")
    if dataset is None:
        if role != "any":
            raise DerivaMLValidationError(f"dataset_role={role!r} needs a dataset.")
        return [None]
    rid = check_rid(getattr(dataset, "dataset_rid", dataset))
    tables = list(_ROLES.values()) if role == "any" else [_ROLES[role]]
    return [(table, rid) for table in tables]


def _reconcile(run: Run) -> None:
    """Bring together what the journal and the catalog say of an execution.

    Raises:
        DerivaMLStateInconsistency: They contradict each other in a way that no crash explains.
    """
    row = catalog_row(run)
    if finish_commit(run):
        return
    here, there = run.status, ExecutionStatus(row["Status"] or _S.Created)
    if run.facts.get("sync_pending"):
        if there is _S.Aborted and here is not _S.Aborted:
            run.journal.record(status=there.value, sync_pending=None)
        else:
            tell_catalog(run)
    elif there is not here:
        if there in (_S.Uploaded, _S.Created):
            raise DerivaMLStateInconsistency(
                f"Execution {run.rid!r} is {there} in catalog {run.session.catalog.id!r} and "
                f"{here} in its journal {str(run.journal.path)!r}, which did not bring it there. "
                "Another working directory may hold the journal that did; set the state with "
                "lookup_execution(rid).update_status(...) if this one is right."
            )
        run.journal.record(status=there.value, error=row["Status_Detail"])
