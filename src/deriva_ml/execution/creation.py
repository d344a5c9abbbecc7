"""Bringing an execution into being: its journal first, then one transaction of the catalog.

The RID is leased, inside the transaction, with a token that the journal holds. So whoever finds
the journal of a process that died can tell whether the execution exists: if the catalog knows
the token, everything about it was written, otherwise nothing was. The last thing that the
transaction does before it commits is to complete the journal, so that all there may be left to do
is to give the directory its place.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml.core.constants import DRY_RUN_RID
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import DerivaMLNotFoundError, DerivaMLUnavailableError
from deriva_ml.core.query import attributes, equals, name_of
from deriva_ml.core.session import Session

from .begun import note_begun
from .configuration import ExecutionConfiguration
from .durations import duration_text, now
from .inputs import Inputs, check_inputs, download_inputs, note_files, record_files
from .journal import Journal
from .metadata import register_metadata, write_metadata
from .run import Run, Surroundings
from .workflow import Workflow

__all__ = ["SAVE_RID", "Request", "begin", "leased", "settle_unfinished", "tell_environment"]

SAVE_RID = "DERIVA_ML_SAVE_EXECUTION_RID"
"""Variable with the file that a new execution writes to who it is."""


@dataclass(frozen=True)
class Request:
    """What is to be run.

    Attributes:
        configuration: Inputs and circumstances.
        workflow: The code, identified.
        dry_run: Write nothing to the catalog.
        parent: RID of the execution that this one belongs to.
        sequence: Its place among the parent's executions; None when they run in parallel.
        fingerprint: By which it is found when a sweep or a run is resumed.
        token: What its RID is leased for; a second execution of one token is refused.
    """

    configuration: ExecutionConfiguration
    workflow: Workflow
    dry_run: bool = False
    parent: str | None = None
    sequence: int | None = None
    fingerprint: str | None = None
    token: str | None = None


def begin(around: Surroundings, request: Request) -> Run:
    """Create an execution.

    Nothing is left behind when it fails: neither in the catalog nor on this machine.

    Raises:
        DerivaMLNotFoundError: An input or the parent does not exist.
        DerivaMLReadOnlyError: The session is on a snapshot.
        DerivaMLUnavailableError: The working directory or the catalog cannot be written.
    """
    around.session.require_writable()
    inputs = check_inputs(around, request.configuration)
    _check_parent(around.session, request.parent)
    token = request.token or uuid.uuid4().hex
    directory = around.local.beginning(token)
    try:
        journal = Journal.create(directory, _first_facts(around, request, token, inputs))
        try:
            return _create(around, request, inputs, journal, directory)
        finally:
            journal.close()
    except BaseException:
        _discard(around, token, directory)
        raise


def _first_facts(
    around: Surroundings, request: Request, token: str, inputs: Inputs
) -> dict[str, Any]:
    return {
        "token": token,
        "status": ExecutionStatus.Created.value,
        "created_at": now(),
        "configuration": request.configuration.model_dump(mode="json"),
        "workflow": request.workflow.name,
        "hostname": around.session.hostname,
        "catalog": around.session.catalog.id,
        "dry_run": request.dry_run,
        "parent": request.parent,
        "sequence": request.sequence,
        "fingerprint": request.fingerprint,
        "has_inputs": bool(inputs),
    }


def _create(
    around: Surroundings, request: Request, inputs: Inputs, journal: Journal, directory: Path
) -> Run:
    facts = journal.facts()
    began = time.monotonic()
    download_inputs(around, journal, directory, inputs)
    took = time.monotonic() - began
    journal.record(download_seconds=took)
    if request.dry_run:
        note_files(journal, inputs, [DRY_RUN_RID] * len(inputs.files), "File")
        run = Run(around, DRY_RUN_RID, Journal.open(directory), directory, dry_run=True, attempt=1)
        weakref.finalize(run, shutil.rmtree, directory, ignore_errors=True)
        return run
    known = ("fingerprint", "parent", "sequence", "hostname", "catalog")
    described = write_metadata(
        directory,
        request.configuration,
        request.workflow,
        {k: facts[k] for k in known if facts.get(k) is not None},
        ml_schema=around.session.ml_schema,
        hydra_output=around.hydra_output,
    )

    def note(rid: str, workflow_rid: str, files: list[str]) -> None:
        register_metadata(journal, directory, described, rid)
        note_files(journal, inputs, files, around.session.ml("File").qualified)
        journal.record(rid=rid, workflow_rid=workflow_rid)
        journal.close()  # nobody writes it on its way to its place

    rid = _record(around, request, facts["token"], inputs, took, note)
    note_begun(rid)
    place = around.local.settle(facts["token"], rid)
    run = Run(around, rid, Journal.open(place), place, attempt=1)
    run.calls.open()
    tell_environment(run)
    return run


def _record(
    around: Surroundings,
    request: Request,
    token: str,
    inputs: Inputs,
    took: float,
    note: Callable[[str, str, list[str]], None],
) -> str:
    """Write the execution and everything about it, or nothing.

    The journal has to be complete before the catalog is: `note` is called with the RIDs of the
    execution, its workflow and its local files, right before the commit.
    """
    session = around.session
    with session.transaction():
        rid = session.catalog.lease_rids([token])[token]
        workflow_rid = around.workflows.add(request.workflow)
        row = {
            "RID": rid,
            "Workflow": workflow_rid,
            "Description": request.configuration.description,
            "Status": ExecutionStatus.Created.value,
            "Download_Duration": duration_text(took),
        }
        table = name_of(session.ml("Execution"))
        session.catalog.insert(table, [row], nondefaults=("RID",), returning=False)
        around.datasets.record_inputs(rid, inputs.datasets)
        files = record_files(around, inputs)
        read = [(a.table, str(a.row["RID"])) for a in inputs.assets]
        read += [(session.ml("File"), f) for f in files]
        around.assets.attach(rid, read, "Input")
        if request.parent is not None:
            link_child(session, request.parent, rid, request.sequence)
        note(rid, workflow_rid, files)
    return rid


def link_child(session: Session, parent: str, child: str, sequence: int | None) -> None:
    """Record that one execution belongs to another, in the caller's transaction."""
    row = {"Execution": parent, "Nested_Execution": child, "Sequence": sequence}
    table = name_of(session.ml("Execution_Execution"))
    session.catalog.insert(table, [row], on_conflict="skip", returning=False)


def _check_parent(session: Session, parent: str | None) -> None:
    if parent is None:
        return
    if not session.fetch(attributes(session.ml("Execution"), ("RID",), equals("RID", parent))):
        raise DerivaMLNotFoundError(
            f"There is no execution {parent!r} in catalog {session.catalog.id!r} to belong to."
        )


def _discard(around: Surroundings, token: str, directory: Path) -> None:
    """Remove what a creation left that failed, unless the catalog has the execution after all."""
    if not directory.is_dir():
        return
    with suppress(DerivaMLUnavailableError):
        if leased(around.session, token) is not None:
            return
        with suppress(OSError):
            shutil.rmtree(directory)


def tell_environment(run: Run) -> None:
    """Write down who this run is, where the caller's environment asks for it."""
    target = os.environ.get(SAVE_RID)
    if not target:
        return
    hydra = run.around.hydra_output
    document = {
        "hostname": run.session.hostname,
        "catalog_id": run.session.catalog.id,
        "workflow_rid": run.facts.get("workflow_rid"),
        "execution_rid": run.rid,
        "hydra_runtime_output_dir": None if hydra is None else str(hydra),
        "working_dir": str(run.session.working_dir),
    }
    try:
        Path(target).write_text(json.dumps(document), encoding="utf-8")
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"Execution {run.rid!r} exists, but DERIVA_ML_SAVE_EXECUTION_RID={target!r} cannot be "
            f"written: {error}."
        ) from error


# --- after the death of a process --------------------------------------------------------


def leased(session: Session, token: str) -> str | None:
    """The RID that was leased with a token, if that was committed."""
    return session.catalog.leased_rids([token]).get(token)


def settle_unfinished(around: Surroundings) -> list[str]:
    """Give executions their place whose process died after it had created them.

    Returns their RIDs. What died before that is left to `gc_executions`.
    """
    settled: list[str] = []
    if around.session.is_offline:
        return settled
    for token, directory in list(around.local.unsettled()):
        rid = leased(around.session, token)
        if rid is None:
            continue
        known = attributes(around.session.ml("Execution"), ("RID",), equals("RID", rid))
        if around.session.fetch(known) and directory.is_dir():
            around.local.settle(token, rid)
            settled.append(rid)
    return settled
