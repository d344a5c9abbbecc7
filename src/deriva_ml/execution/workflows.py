"""The workflows of a catalog: code that executions run, each under its URL and checksum.

A row is found again by both of them: the same file in two projects is two workflows, and a file
that changed is another one. Code without either (which `Workflow.identify` never leaves) gets a
row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from deriva_catalog.interface import Row
from deriva_ml.core.arguments import check_text
from deriva_ml.core.constants import is_rid
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    DerivaMLWorkflowError,
    translated,
)
from deriva_ml.core.query import any_of, entities, equals, name_of, path_of
from deriva_ml.core.session import Session
from deriva_ml.core.vocabulary import Vocabularies

from .source import calling_file
from .workflow import Workflow

__all__ = ["Workflows"]

DEFAULT_TYPE = "Analysis"


class Workflows:
    """The workflows of a catalog, or of one snapshot of it."""

    def __init__(self, session: Session, vocabularies: Vocabularies) -> None:
        self._session = session
        self._vocabularies = vocabularies

    # --- making ----------------------------------------------------------------------

    @translated()
    def create(self, name: str, workflow_type: str | list[str], description: str = "") -> Workflow:
        """Describe a workflow whose code is the calling script; nothing is written yet.

        Raises:
            DerivaMLInvalidTerm: A type is not a term of ``Workflow_Type``.
            DerivaMLDirtyWorkflowError: The code is not committed, where that is required.
        """
        workflow = Workflow(name=name, workflow_type=workflow_type, description=description)
        self.check_types(workflow)
        return workflow.identify()

    @translated()
    def of_caller(self) -> Workflow:
        """Describe the calling script as a workflow: its type is ``Analysis``, its name the file's.

        Raises:
            DerivaMLDirtyWorkflowError: The code is not committed, where that is required.
        """
        script = calling_file()
        name = "interactive session" if script is None else script.name
        return Workflow(name=name, workflow_type=DEFAULT_TYPE).identify()

    @translated()
    def given(self, workflow: Workflow | str | None) -> Workflow:
        """The workflow that an execution is to run, ready to be added.

        Args:
            workflow: A workflow; the RID, URL or checksum of one that the catalog has; or None
                for the calling script.

        Raises:
            DerivaMLNotFoundError: The catalog has no such workflow.
            DerivaMLInvalidTerm: A type is not a term of ``Workflow_Type``.
        """
        if workflow is None:
            return self.of_caller()
        if isinstance(workflow, str):
            return self.lookup(workflow)
        if not isinstance(workflow, Workflow):
            raise DerivaMLWorkflowError(
                f"{workflow!r} is not a workflow: give a Workflow, or the RID, URL or checksum of "
                "one that the catalog has."
            )
        if workflow.workflow_rid is not None:
            return self.lookup(workflow.workflow_rid)
        workflow.identify()
        self.check_types(workflow)
        return workflow

    def check_types(self, workflow: Workflow) -> list[str]:
        """The names of the terms that the workflow's types stand for.

        Raises:
            DerivaMLInvalidTerm: One is not a term of ``Workflow_Type``.
        """
        terms = self._vocabularies.lookup_terms(MLVocab.workflow_type, workflow.workflow_types)
        return list(dict.fromkeys(t.name for t in terms))

    @translated()
    def add(self, workflow: Workflow) -> str:
        """Return the RID of the workflow, after adding it unless the catalog has it.

        One that the catalog has (under the same URL and checksum) stays as it is.

        Raises:
            DerivaMLInvalidTerm: A type is not a term of ``Workflow_Type``.
        """
        if workflow.workflow_rid is not None:
            return self.lookup(workflow.workflow_rid).workflow_rid or ""
        workflow.identify()
        with self._session.transaction():
            types = self.check_types(workflow)
            known = self._known(workflow)
            return str(known["RID"]) if known is not None else self._insert(workflow, types)

    def rid_of(self, workflow: Workflow | str | None) -> str | None:
        """The RID of a workflow; None for None, and for one that the catalog does not have.

        Raises:
            DerivaMLValidationError: It is no workflow.
        """
        if workflow is None or isinstance(workflow, str):
            return workflow
        if not isinstance(workflow, Workflow):
            raise DerivaMLValidationError(f"{workflow!r} is neither a workflow nor its RID.")
        if workflow.workflow_rid is not None:
            return workflow.workflow_rid
        known = self._known(workflow.identify())
        return None if known is None else str(known["RID"])

    def _known(self, workflow: Workflow) -> Row | None:
        if not workflow.url or not workflow.checksum:
            return None
        steps = (equals("URL", workflow.url), equals("Checksum", workflow.checksum))
        rows = self._rows(*steps, limit=1)
        return rows[0] if rows else None

    def _insert(self, workflow: Workflow, types: list[str]) -> str:
        note = workflow.source.note if workflow.source is not None else ""
        row = {
            "Name": workflow.name,
            "Description": "\n\n".join(t for t in (workflow.description, note) if t),
            "URL": workflow.url,
            "Checksum": workflow.checksum,
            "Version": workflow.version,
        }
        rid = self._session.catalog.insert(name_of(self._session.ml("Workflow")), [row])[0]["RID"]
        self._insert_types(rid, types)
        return str(rid)

    def _insert_types(self, rid: str, types: Iterable[str]) -> None:
        rows = [{"Workflow": rid, "Workflow_Type": t} for t in types]
        if rows:
            table = name_of(self._session.ml("Workflow_Workflow_Type"))
            self._session.catalog.insert(table, rows, returning=False)

    # --- finding ---------------------------------------------------------------------

    @translated()
    def find(self, newest_first: bool = False) -> list[Workflow]:
        """Every workflow, in the order of RIDs or the newest first; two queries."""
        sort = ("-RCT", "RID") if newest_first else ("RID",)
        return self._made(self._rows(sort=sort))

    @translated()
    def lookup(self, workflow: str) -> Workflow:
        """The workflow with that RID, else the newest with that URL, else with that checksum.

        Raises:
            DerivaMLNotFoundError: There is none.
            DerivaMLValidationError: It is not given as a text.
        """
        check_text(workflow, "workflow")
        columns = ["RID"] if is_rid(workflow) else []
        for column in [*columns, "URL", "Checksum"]:
            rows = self._rows(equals(column, workflow), sort=("-RCT",), limit=1) if workflow else []
            if rows:
                return self._made(rows)[0]
        raise DerivaMLNotFoundError(
            f"Catalog {self._session.catalog.id!r} has no workflow whose RID, URL or checksum is "
            f"{workflow!r}; find_workflows() lists those that it has."
        )

    def _rows(self, *steps: Any, sort: tuple[str, ...] = (), limit: int | None = None) -> list[Row]:
        table = self._session.ml("Workflow")
        return self._session.fetch(entities(table, *steps, sort=sort, limit=limit))

    def _made(self, rows: list[Row]) -> list[Workflow]:
        types: dict[str, list[str]] = {}
        table = self._session.ml("Workflow_Workflow_Type")
        few = (any_of("Workflow", [r["RID"] for r in rows]),) if 0 < len(rows) <= 50 else ()
        for row in self._session.fetch(entities(table, *few, sort=("Workflow_Type",))):
            types.setdefault(row["Workflow"], []).append(row["Workflow_Type"])
        return [self._workflow(row, types.get(row["RID"], [])) for row in rows]

    def _workflow(self, row: Row, types: list[str]) -> Workflow:
        made = Workflow(
            name=row["Name"] or "",
            workflow_type=types[0] if len(types) == 1 else types,
            description=row["Description"],
            url=row["URL"],
            version=row["Version"],
            workflow_rid=row["RID"],
            checksum=row["Checksum"],
            is_notebook=Path(str(row["URL"] or "").partition("#")[0]).suffix == ".ipynb",
        )
        if not self._session.is_snapshot:
            made.attach(partial(self._save, row["RID"]))
        return made

    # --- changing --------------------------------------------------------------------

    @translated()
    def _save(self, rid: str, field: str, value: Any) -> None:
        with self._session.transaction():
            if field == "description":
                table = name_of(self._session.ml("Workflow"))
                rows = [{"RID": rid, "Description": value}]
                self._session.catalog.update(table, rows, targets=("Description",))
                return
            words = [value] if isinstance(value, str) else value
            terms = self._vocabularies.lookup_terms(MLVocab.workflow_type, words)
            links = self._session.ml("Workflow_Workflow_Type")
            self._session.catalog.delete(path_of(links, equals("Workflow", rid)))
            self._insert_types(rid, dict.fromkeys(t.name for t in terms))
