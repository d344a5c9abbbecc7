"""Filing a finished run of `flexlock` in the catalog, as an execution.

The run's sheet says everything that an execution needs: the code (its git tree becomes the
checksum of the workflow, by which the run is found again), the configuration, the data (files, and
a dataset for each directory), earlier runs (what they made is linked when they are filed too),
and the outputs. Nothing is run. A run is filed once: its id is a token that the catalog leases
the execution's RID for, on whichever machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.objects import hash_file
from deriva_ml.asset.spec import AssetSpec, LocalFile
from deriva_ml.core.enums import ExecMetadataType, ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLStateInconsistency,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.core.query import any_of, attributes, equals

from . import lifecycle
from .configuration import ExecutionConfiguration
from .creation import Request, begin, leased, settle_unfinished
from .git import web_url
from .record import ExecutionRecord
from .run import Run
from .workflow import Workflow

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from flexlock.lock.record import DataState, RepoState, RunLock

    from .execution import Execution

__all__ = ["file_run"]

_FILED = ("complete", "recorded")
_DIRECTORY = ("File", "Directory")


@dataclass(frozen=True)
class _Filed:
    """A run on its way into the catalog.

    Attributes:
        folder: Its directory.
        sheet: Its sheet.
        root: The folder that relative paths of the sheet start from.
        stopped: When it ended, in ISO 8601; None when nobody wrote that down.
        left_out: Data that is not as it was, and is not filed.
    """

    folder: Path
    sheet: RunLock
    root: Path
    stopped: str | None
    left_out: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """What stands for the run in the catalog."""
        return _token(self.sheet.id)


def file_run(
    ml: DerivaML,
    save_dir: Path | str,
    *,
    workflow_type: str | list[str] = "Analysis",
    description: str | None = None,
    allow_changed: bool = False,
) -> ExecutionRecord:
    """File a finished run; one that is filed already is returned as it is.

    A call that was interrupted is completed by the next one on the same machine.

    Args:
        ml: The connection.
        save_dir: The directory of the run, with its ``run.lock``.
        workflow_type: What its code is for: terms of ``Workflow_Type``.
        description: Why the run was made; default: the note of its sheet.
        allow_changed: File it although data is gone or changed since; that data is left out.

    Raises:
        DerivaMLNotFoundError: There is no run.
        DerivaMLValidationError: The run did not end well, or its data or outputs are not what
            they were; nothing is written.
        DerivaMLStateInconsistency: Another machine began to file it.
    """
    run = _finished(Path(save_dir))
    known = _known(ml, run)
    if known is not None:
        return known
    execution = _taken_up(ml, run)
    if execution is None:
        run = _checked(run, allow_changed)
        execution = _begun(ml, run, workflow_type, description)
    _complete(execution, run)
    return ml.lookup_execution(execution.execution_rid)


def _token(run_id: str) -> str:
    return hashlib.sha256(f"flexlock run {run_id}".encode()).hexdigest()[:32]


# --- the run -----------------------------------------------------------------------------


def _finished(folder: Path) -> _Filed:
    from flexlock import FlexLockError, read_lock, run_status

    try:
        sheet = read_lock(folder / "run.lock")
    except FlexLockError as error:
        raise DerivaMLNotFoundError(f"{str(folder)!r} holds no run: {error}") from error
    state = run_status(folder)
    if state.name not in _FILED:
        raise DerivaMLValidationError(
            f"The run in {str(folder)!r} is {state.name}, and only one that ended well is filed. "
            f"{state.why}".rstrip()
        )
    cwd = Path(sheet.caller.cwd) if sheet.caller.cwd else Path.cwd()
    stopped = state.since if state.name == "complete" else None
    return _Filed(folder.absolute(), sheet, cwd, stopped)


def _checked(run: _Filed, allow_changed: bool) -> _Filed:
    """The run, if its data and outputs are what its sheet says."""
    from flexlock import verify

    found = verify(run.folder, root=run.root, sections=("data", "outputs")).findings
    wrong = [f for f in found if f.state in ("changed", "missing")]
    lost = [f for f in wrong if f.section == "outputs" or not allow_changed]
    if lost:
        shown = some_of([f"{f.name!r} ({f.section}) is {f.state}" for f in lost])
        advice = (
            "Bring it back and file the run again."
            if any(f.section == "outputs" for f in lost)
            else "Bring it back, or leave it out with allow_changed=True."
        )
        raise DerivaMLValidationError(
            f"The run in {str(run.folder)!r} is not what its sheet says: {shown}. {advice}"
        )
    left_out = tuple(f.name for f in wrong)
    return _Filed(run.folder, run.sheet, run.root, run.stopped, left_out)


# --- the execution -----------------------------------------------------------------------


def _known(ml: DerivaML, run: _Filed) -> ExecutionRecord | None:
    """The run as the catalog has it, when it is filed to the end."""
    settle_unfinished(ml.executions.around)
    rid = leased(ml.session, run.token)
    if rid is None or not ml.session.fetch(
        attributes(ml.session.ml("Execution"), ("RID",), equals("RID", rid))
    ):
        return None
    record = ml.lookup_execution(rid)
    if record.status is ExecutionStatus.Uploaded or ml.executions.around.local.has(rid):
        return record if record.status is ExecutionStatus.Uploaded else None
    raise DerivaMLStateInconsistency(
        f"Run {run.sheet.id} is execution {rid!r}, which is {record.status.value} and was begun "
        "on another machine: file it there once more to complete it."
    )


def _taken_up(ml: DerivaML, run: _Filed) -> Execution | None:
    """The execution that an interrupted call left on this machine."""
    rid = leased(ml.session, run.token)
    if rid is None or not ml.executions.around.local.has(rid):
        return None
    return ml.resume_execution(rid)


def _begun(
    ml: DerivaML, run: _Filed, workflow_type: str | list[str], description: str | None
) -> Execution:
    from .execution import Execution

    made_before = _made_by_earlier_runs(ml, run.sheet)
    assets: list[AssetSpec | LocalFile] = []
    for _, state in _data(run):
        assets += _inputs(run.root, state, made_before)
    text = description if description is not None else _described(run)
    configuration = ExecutionConfiguration(
        assets=list(dict.fromkeys(assets)), description=text, argv=list(run.sheet.caller.argv)
    )
    workflow = ml.executions.around.workflows.given(_workflow(run.sheet, workflow_type))
    request = Request(
        configuration, workflow, fingerprint=f"flexlock:{run.sheet.id}", token=run.token
    )
    return Execution.over(ml.executions, begin(ml.executions.around, request))


def _described(run: _Filed) -> str:
    note = run.sheet.note or f"Run {run.sheet.id} of {run.folder.name!r}."
    if not run.left_out:
        return note
    return f"{note}\n\nChanged since, and left out: {', '.join(run.left_out)}."


def _data(run: _Filed) -> Iterator[tuple[str, DataState]]:
    """The data that lies on this machine, by name."""
    for name, state in run.sheet.data.items():
        if state.kind in ("file", "dir") and name not in run.left_out:
            yield name, state


def _files(root: Path, state: DataState) -> list[Path]:
    """The files of a data path, in order."""
    place = root / state.path
    if state.kind == "file":
        return [place]
    from flexlock.data.scanning import Choice, scan

    choice = Choice(state.include, state.exclude, state.follow_links)
    folders = scan(str(place), choice)
    return [Path(folder.path) / name for folder in folders for name in sorted(folder.files)]


def _inputs(
    root: Path, state: DataState, made_before: Mapping[tuple[str, int], str]
) -> Iterator[AssetSpec | LocalFile]:
    for path in _files(root, state):
        rid = None
        if made_before and state.kind == "file":
            content = hash_file(path)
            rid = made_before.get((content.md5, content.length))
        yield LocalFile(path) if rid is None else AssetSpec(rid)


def _made_by_earlier_runs(ml: DerivaML, sheet: RunLock) -> dict[tuple[str, int], str]:
    """RIDs of the files that earlier runs made which are filed, by MD5 and length."""
    found: dict[tuple[str, int], str] = {}
    tokens = [_token(prev.id) for prev in sheet.prevs.values() if prev.id and prev.direct]
    for rid in ml.session.catalog.leased_rids(tokens).values():
        for asset in ml.list_execution_assets(rid, "Output"):
            if asset.asset_table == MLAsset.execution_asset:
                found[asset.md5, asset.length] = asset.asset_rid
    return found


# --- the code ----------------------------------------------------------------------------


def _workflow(sheet: RunLock, workflow_type: str | list[str]) -> Workflow:
    name, repo = _code(sheet)
    caller = sheet.caller
    shown = caller.function or (Path(caller.file).name if caller.file else None) or name
    if repo is None or repo.tree is None:
        raise DerivaMLValidationError(
            f"Run {sheet.id} has no recorded code"
            + (f": {repo.reason}." if repo is not None and repo.reason else ".")
            + " Give runlock() the repository of the code, then run it again."
        )
    version = repo.commit or repo.tree
    return Workflow(
        name=shown,
        workflow_type=workflow_type,
        description=f"Code of run {sheet.id}: tree {repo.tree} of {name!r}.",
        url=_address(repo, caller.file if caller.repo == name else None),
        checksum=repo.tree,
        version=f"{version}.dirty" if repo.is_dirty else version,
    )


def _code(sheet: RunLock) -> tuple[str, RepoState | None]:
    """The repository of the script, else the first one."""
    name = sheet.caller.repo if sheet.caller.repo in sheet.repos else None
    name = name or next(iter(sheet.repos), "")
    return name, sheet.repos.get(name)


def _address(repo: RepoState, file: str | None) -> str:
    """Where the code can be read; uncommitted code is in no page, so its base is named."""
    page = web_url(repo.remote) if repo.remote else None
    commit = repo.base or repo.commit or ""
    if page is not None:
        return f"{page}/blob/{commit}/{file}" if file else f"{page}/tree/{commit}"
    place = Path(repo.path).absolute() / (file or "")
    return f"{place.as_uri()}#{commit}"


# --- what it left ------------------------------------------------------------------------


def _complete(execution: Execution, run: _Filed) -> None:
    """Do what is left of filing: datasets, outputs, the sheet, and the upload of all."""
    inner: Run = execution._run
    if not execution.has_finished:
        with execution:
            _datasets(execution, run)
            _outputs(execution, run)
            inner.journal.record(start=_utc(run.sheet.timestamp))
        stopped = run.stopped or run.sheet.timestamp
        inner.journal.record(stop=_utc(stopped), sync_pending=True)
        lifecycle.tell_catalog(inner)
    execution.upload_execution_outputs()


def _utc(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _datasets(execution: Execution, run: _Filed) -> None:
    """A dataset for each directory that the run read, once for each content."""
    directories = {name: state for name, state in _data(run) if state.kind == "dir"}
    if not directories:
        return
    around = execution._run.around
    there = _there(execution._run, directories)
    files = {p.absolute(): p.asset_rid for p in execution.asset_paths.get("File", ())}
    for name, state in directories.items():
        rid = there.get(name)
        if rid is not None:
            dataset = around.datasets.lookup(rid)
        else:
            dataset = execution.create_dataset(_DIRECTORY, description=_content(name, state))
            members = dict.fromkeys(files[path.absolute()] for path in _files(run.root, state))
            rids = [rid for rid in members if rid is not None]
            dataset.add_dataset_members({"File": rids}, execution_rid=execution.execution_rid)
        with around.session.transaction():
            version = str(dataset.current_version)
            around.datasets.record_inputs(execution.execution_rid, [(dataset.dataset_rid, version)])


def _there(run: Run, directories: Mapping[str, DataState]) -> dict[str, str]:
    """Datasets of the same content that were there before, by the name of the directory.

    The journal keeps what was found: done over, it must not find what this execution made.
    """
    noted: dict[str, str] | None = run.facts.get("filed_before")
    if noted is not None:
        return noted
    wanted = {_content(name, state): name for name, state in directories.items()}
    table = run.session.ml("Dataset")
    query = attributes(table, ("Description", "RID"), any_of("Description", wanted), sort=("-RID",))
    found = {wanted[row["Description"]]: str(row["RID"]) for row in run.session.fetch(query)}
    run.journal.record(filed_before=found)
    return found


def _content(name: str, state: DataState) -> str:
    return f"Directory {name}: {state.files} files, {state.algorithm}:{state.hash}"


def _outputs(execution: Execution, run: _Filed) -> None:
    for name, output in run.sheet.outputs.items():
        place = run.root / output.path
        text = f"Output {name!r} of run {run.sheet.id}."
        for path, shown in _named(name, place):
            execution.asset_file_path(
                MLAsset.execution_asset, path, rename_file=shown, description=text
            )
    execution.asset_file_path(
        MLAsset.execution_metadata,
        run.folder / "run.lock",
        ExecMetadataType.execution_config,
        copy_file=True,
        rename_file=f"run-{run.sheet.id}.lock",
        description="Sheet of the run: code, configuration, data, earlier runs, outputs.",
    )


def _named(name: str, place: Path) -> Iterable[tuple[Path, str]]:
    """The files of an output, and the names that they get."""
    if not place.is_dir():
        return [(place, place.name)]
    files: list[Any] = sorted(p for p in place.rglob("*") if p.is_file())
    return [(p, f"{name}/{p.relative_to(place).as_posix()}") for p in files]
