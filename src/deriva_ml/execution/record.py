"""Executions as the catalog knows them, wherever they ran."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.path.ast import ColumnName, Comparison, Operator
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLCycleError,
    DerivaMLNotFoundError,
    translated,
)
from deriva_ml.core.query import any_of, attributes, entities, equals, link, name_of
from deriva_ml.core.rids import check_rid
from deriva_ml.core.session import Session
from deriva_ml.interchange import of_executions as _interchange

from .creation import link_child
from .lifecycle import state_named
from .state_machine import check_transition

if TYPE_CHECKING:
    from deriva_ml.asset.asset import Asset
    from deriva_ml.dataset.dataset import Dataset

    from .collection import Executions
    from .workflow import Workflow

__all__ = ["ExecutionRecord", "children", "parents", "record_row"]


def record_row(session: Session, rid: str) -> Row:
    """The row of an execution.

    Raises:
        DerivaMLValidationError: The text is not a RID.
        DerivaMLNotFoundError: There is no execution of that RID.
    """
    rows = session.fetch(entities(session.ml("Execution"), equals("RID", check_rid(rid))))
    if not rows:
        place = session.catalog.resolve_rids([rid]).get(rid)
        what = "no row has that RID" if place is None else f"it is a row of {place.table!r}"
        raise DerivaMLNotFoundError(
            f"There is no execution {rid!r} in catalog {session.catalog.id!r}: {what}."
        )
    return rows[0]


def _related(session: Session, rids: list[str], of: str, to: str, recurse: bool) -> list[str]:
    """Executions related to some, nearest first, each once."""
    table = session.ml("Execution_Execution")
    found: dict[str, None] = {}
    nearest = rids
    while nearest:
        query = attributes(table, (to, "Sequence"), any_of(of, nearest), sort=("Sequence", to))
        step = [row[to] for row in session.fetch(query)]
        nearest = [r for r in dict.fromkeys(step) if r not in found and r not in rids]
        found.update(dict.fromkeys(nearest))
        if not recurse:
            break
    return list(found)


def children(session: Session, rid: str, recurse: bool = False) -> list[str]:
    """RIDs of the executions that belong to one, in their sequence."""
    return _related(session, [rid], "Execution", "Nested_Execution", recurse)


def parents(session: Session, rid: str, recurse: bool = False) -> list[str]:
    """RIDs of the executions that one belongs to, the nearest first."""
    return _related(session, [rid], "Nested_Execution", "Execution", recurse)


@translated()
def nest(session: Session, parent: str, child: str, sequence: int | None) -> None:
    """Let one execution belong to another.

    Raises:
        DerivaMLNotFoundError: One of them does not exist.
        DerivaMLCycleError: An execution would belong to itself.
    """
    with session.transaction():
        for rid in (parent, child):
            record_row(session, rid)
        if parent == child or parent in children(session, child, recurse=True):
            raise DerivaMLCycleError([parent, child])
        link_child(session, parent, child, sequence)


class ExecutionRecord:
    """An execution as the catalog had it when it was looked up. Equal when the RIDs are.

    Args:
        executions: The executions of the catalog.
        row: Its row.
    """

    def __init__(self, executions: Executions, row: Row) -> None:
        self._executions = executions
        self._row: dict[str, Any] = row

    # --- what it is ------------------------------------------------------------------

    @property
    def execution_rid(self) -> str:
        """RID of the execution."""
        return str(self._row["RID"])

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return self.execution_rid

    @property
    def workflow_rid(self) -> str | None:
        """RID of its workflow."""
        return self._text("Workflow")

    @property
    def workflow(self) -> Workflow | None:
        """Its workflow."""
        rid = self.workflow_rid
        return None if rid is None else self._executions.around.workflows.lookup(rid)

    @property
    def status(self) -> ExecutionStatus:
        """Its state; assigning writes it to the catalog."""
        return ExecutionStatus(self._row["Status"] or ExecutionStatus.Created)

    @status.setter
    def status(self, value: ExecutionStatus | str) -> None:
        self.update_status(value)

    @property
    def status_detail(self) -> str | None:
        """Its latest message, or the error that ended it."""
        return self._text("Status_Detail")

    @property
    def description(self) -> str:
        """Why it was made; assigning writes it to the catalog."""
        return self._row["Description"] or ""

    @description.setter
    def description(self, value: str) -> None:
        self._update(Description=value)

    @property
    def start_time(self) -> datetime | None:
        """When it began."""
        return _moment(self._row["Start"])

    @property
    def stop_time(self) -> datetime | None:
        """When it ended."""
        return _moment(self._row["Stop"])

    @property
    def duration(self) -> str | None:
        """How long it ran."""
        return self._text("Execution_Duration")

    @property
    def download_duration(self) -> str | None:
        """How long its inputs took to arrive."""
        return self._text("Download_Duration")

    @property
    def upload_duration(self) -> str | None:
        """How long its outputs took to leave."""
        return self._text("Upload_Duration")

    def _text(self, column: str) -> str | None:
        value: str | None = self._row[column]
        return value

    # --- changing --------------------------------------------------------------------

    @translated()
    def update_status(self, status: ExecutionStatus | str, status_detail: str = "") -> None:
        """Bring the execution into another state, in the catalog only.

        Raises:
            InvalidTransitionError: The state cannot follow the present one.
        """
        with self._session.transaction():
            self._row = record_row(self._session, self.execution_rid)
            target = state_named(status, self.status)
            check_transition(self.status, target, self.execution_rid)
            self._update(Status=target.value, Status_Detail=status_detail or None)

    @translated()
    def _update(self, **columns: Any) -> None:
        row = {"RID": self.execution_rid, **columns}
        with self._session.transaction():
            table = name_of(self._session.ml("Execution"))
            if not self._session.catalog.update(table, [row], targets=list(columns)):
                record_row(self._session, self.execution_rid)
        self._row = {**self._row, **columns}

    @property
    def _session(self) -> Session:
        return self._executions.around.session

    # --- nesting ---------------------------------------------------------------------

    def add_nested_execution(
        self, child: ExecutionRecord | Any, sequence: int | None = None
    ) -> None:
        """Let another execution (or the one of that RID) belong to this one.

        Raises:
            DerivaMLNotFoundError: There is no such execution.
            DerivaMLCycleError: This one belongs to it.
        """
        rid = check_rid(getattr(child, "execution_rid", child))
        nest(self._session, self.execution_rid, rid, sequence)

    @translated()
    def list_execution_children(self, recurse: bool = False) -> list[ExecutionRecord]:
        """The executions that belong to this one, in their sequence."""
        return self._executions.records(children(self._session, self.execution_rid, recurse))

    @translated()
    def list_execution_parents(self, recurse: bool = False) -> list[ExecutionRecord]:
        """The executions that this one belongs to, the nearest first."""
        return self._executions.records(parents(self._session, self.execution_rid, recurse))

    @translated()
    def is_nested(self) -> bool:
        """Whether the execution belongs to another."""
        return bool(parents(self._session, self.execution_rid))

    @translated()
    def is_parent(self) -> bool:
        """Whether other executions belong to this one."""
        return bool(children(self._session, self.execution_rid))

    # --- inputs and outputs ----------------------------------------------------------

    @translated()
    def list_input_datasets(self) -> list[Dataset]:
        """The datasets that the execution read."""
        from deriva_ml.dataset.dataset import Dataset

        rids = input_datasets(self._session, self.execution_rid)
        return [Dataset(self._executions.around.datasets, rid) for rid in rids]

    def list_assets(self, asset_role: str | None = None) -> list[Asset]:
        """The assets that the execution read (``Input``) or made (``Output``)."""
        return self._executions.around.assets.of_execution(self.execution_rid, asset_role)

    # --- other people's formats --------------------------------------------------------

    to_ro_crate = _interchange.execution_to_ro_crate
    to_openlineage = _interchange.execution_to_openlineage

    @translated()
    def _repr_html_(self) -> str:
        from .display import record_as_table

        return record_as_table(self)

    def __repr__(self) -> str:
        return f"ExecutionRecord({self.execution_rid!r}, {self.status.value!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExecutionRecord):
            return NotImplemented
        return self.execution_rid == other.execution_rid

    def __hash__(self) -> int:
        return hash(self.execution_rid)


def input_datasets(session: Session, rid: str) -> list[str]:
    """RIDs of the datasets that an execution read."""
    table = session.ml("Dataset_Execution")
    query = attributes(table, ("Dataset",), equals("Execution", rid), sort=("Dataset",))
    return [row["Dataset"] for row in session.fetch(query)]


def find_rows(
    session: Session,
    *,
    workflow: str | None,
    workflow_types: Iterable[str] | None,
    status: str | None,
    dataset_links: tuple[str, str] | None,
    checksum: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row]:
    """Rows of executions that satisfy all conditions, in one query.

    Args:
        session: The session on the catalog.
        workflow: RID of their workflow.
        workflow_types: Terms, one of which the workflow has.
        status: Their state.
        dataset_links: A table that links datasets with executions, and the dataset's RID.
        checksum: The checksum of their workflow.
        since: They began then or later.
        until: They began before then.
    """
    executions = session.ml("Execution")
    steps: list[Any] = []
    start = executions
    if workflow_types is not None:
        start = session.ml("Workflow_Workflow_Type")
        steps = [any_of("Workflow_Type", workflow_types), link("Workflow", executions, "Workflow")]
    if dataset_links is not None:
        name, rid = dataset_links
        links = session.ml(name)
        if start is executions:
            start, steps = links, [equals("Dataset", rid)]
        else:
            steps += [link("RID", links, "Execution"), equals("Dataset", rid)]
        steps.append(link("Execution", executions))
    if workflow is not None:
        steps.append(equals("Workflow", workflow))
    if status is not None:
        steps.append(equals("Status", status))
    for moment, operator in ((since, Operator.GEQ), (until, Operator.LT)):
        if moment is not None:
            text = moment.astimezone(UTC).isoformat(timespec="microseconds")
            steps.append(Comparison(ColumnName("Start"), operator, text))
    if checksum is not None:
        workflows = session.ml("Workflow")
        steps = [*steps, link("Workflow", workflows), equals("Checksum", checksum)]
        steps.append(link("RID", executions, "Workflow"))
    rows = session.fetch(entities(start, *steps, sort=("RID",)))
    return list({row["RID"]: row for row in rows}.values())


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
