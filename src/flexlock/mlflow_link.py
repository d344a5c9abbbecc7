"""Runs in MLflow: `mlflow_lock` logs a run directory, and the newest good log is the active one.

Each call makes a new MLflow run for the same *logical run*, the run directory. Only one MLflow run
of a logical run is ``active``: the one whose body ended well last. Older ones are ``deprecated``,
those whose body failed are ``failed`` and never take the place of a good one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.errors import MissingExtraError

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities import Run

    from flexlock.lock.record import RunLock

__all__ = ["ACTIVE", "DEPRECATED", "FAILED", "active_runs", "logical_run_id", "mlflow_lock"]

ACTIVE, DEPRECATED, FAILED, PENDING = "active", "deprecated", "failed", "pending"

LOGICAL_ID = "flexlock.logical_run_id"
RUN_STATUS = "flexlock.run_status"
_STATUS = "flexlock.status"  # the same under a second name, for readers that know that one
_DIRECTORY = "flexlock.dir"
_SEQUENCE = "flexlock.sequence"
_SUPERSEDES = "flexlock.supersedes"
_SUPERSEDED_BY = "flexlock.superseded_by"

_LONGEST_PARAM = 6_000
_LONGEST_TAG = 8_000
_BATCH = 100
_LOGS = ("experiment.log", "stdout.log", "stderr.log")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_\-. :]")


@contextmanager
def mlflow_lock(
    save_dir: str | Path,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    inherit_tags: bool = False,
    log_config: bool = True,
    log_artifacts: bool = True,
) -> Iterator[ActiveRun]:
    """Log a finished run to MLflow; what the block logs goes to the same MLflow run.

    ::

        with mlflow_lock("results/process") as run:
            mlflow.log_artifact("results/process/out.txt")

    May be repeated at will: when the block ends well, the new MLflow run becomes ``active`` and all
    older active ones of this run directory become ``deprecated``. When the block raises, the new
    one ends as FAILED with the status ``failed``, and the old one stays active. Inside of another
    MLflow run it becomes a nested one.

    Logged by itself: the config as parameters, commit, tree and data hashes as tags, the run sheet
    and known log files as artifacts. Secrets are masked in the run sheet already.

    Args:
        save_dir: The run directory, or its ``run.lock``.
        experiment_name: The MLflow experiment; MLflow's current one by default. A run directory has
            one active MLflow run in each experiment.
        run_name: Name of the MLflow run; that of the directory by default.
        tags: More tags.
        inherit_tags: Whether tags that somebody gave to the active run are taken over.
        log_config: Whether the config is logged as parameters.
        log_artifacts: Whether the run sheet and log files are logged.

    Raises:
        MissingExtraError: MLflow is not installed.
        LockNotFoundError: There is no run sheet in the directory; nothing was logged.
        CorruptLockError: Its run sheet cannot be read.
    """
    from flexlock.lock.document import read_lock, sheet_path

    mlflow = _mlflow()
    sheet = sheet_path(Path(save_dir))
    lock = read_lock(sheet)
    logical = logical_run_id(sheet.parent)
    run = mlflow.start_run(
        experiment_id=_experiment_id(mlflow, experiment_name),
        run_name=run_name or sheet.parent.resolve().name,
        nested=mlflow.active_run() is not None,
        tags=_statuses(PENDING)
        | {LOGICAL_ID: logical, _DIRECTORY: str(sheet.parent.resolve())}
        | _facts(lock),
    )
    try:
        older = _runs(mlflow, logical, [run.info.experiment_id], ACTIVE)
        inherited = _own_tags(older[0]) if older and inherit_tags else {}
        mlflow.set_tags(inherited | dict(tags or {}))
        if log_config:
            _log_params(mlflow, run.info.run_id, lock.config)
        if log_artifacts:
            _log_files(mlflow, sheet)
        yield run
        _promote(mlflow, run, logical)
    except BaseException as error:
        ending = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        try:
            _end(mlflow, run, FAILED, ending)
        except mlflow.MlflowException as failure:  # the server may be what failed
            error.add_note(f"MLflow was not told that the run failed: {failure}")
        raise
    _end(mlflow, run, None, "FINISHED")


def active_runs(
    save_dir: str | Path | None = None, *, experiment_names: Sequence[str] | None = None
) -> list[Run]:
    """Return the active MLflow runs, newest first: one for each run directory.

    Args:
        save_dir: Only that of this run directory.
        experiment_names: Where to look; MLflow's current experiment by default.

    Raises:
        MissingExtraError: MLflow is not installed.
    """
    from flexlock.lock.document import sheet_path

    mlflow = _mlflow()
    names = None if experiment_names is None else list(experiment_names)
    logical = None if save_dir is None else logical_run_id(sheet_path(Path(save_dir)).parent)
    newest: dict[tuple[str, str], Run] = {}
    for run in _runs(mlflow, logical, None, ACTIVE, names):
        # Two are active for a moment while one takes the place of the other.
        newest.setdefault((run.info.experiment_id, run.data.tags[LOGICAL_ID]), run)
    return sorted(newest.values(), key=lambda r: (r.info.start_time, r.info.run_id), reverse=True)


def logical_run_id(save_dir: Path) -> str:
    """Return what names a run directory in MLflow: its path below the root of its project.

    The root is the nearest folder with a git repository or a ``pyproject.toml``, so results keep
    their name when the whole project moves. Outside of a project it is the absolute path.
    """
    path = save_dir.resolve()
    for marker in (".git", "pyproject.toml"):
        for root in path.parents:
            if (root / marker).exists():
                return path.relative_to(root).as_posix()
    return path.as_posix()


def _mlflow() -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise MissingExtraError(
            "mlflow_lock needs MLflow, which is not installed.",
            hint="Install it with: pip install 'derivaml[tracking]'",
        ) from error
    return mlflow


def _experiment_id(mlflow: Any, name: str | None) -> str | None:
    if name is None:
        return None
    from mlflow.exceptions import MlflowException

    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(mlflow.create_experiment(name))
    except MlflowException:  # another process made it just now
        found = mlflow.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def _statuses(status: str) -> dict[str, str]:
    return {RUN_STATUS: status, _STATUS: status}


def _facts(lock: RunLock) -> dict[str, str]:
    """Return what the run sheet says of code and data, as tags."""
    facts = {"flexlock.run_id": lock.id, "flexlock.lock_status": lock.status}
    for name, repo in lock.repos.items():
        for key in ("commit", "tree", "base", "is_dirty"):
            value = getattr(repo, key)
            if value is not None:
                facts[f"flexlock.repos.{name}.{key}"] = str(value)
    for name, data in lock.data.items():
        facts[f"flexlock.data.{name}"] = f"{data.algorithm}:{data.hash}"
    for name, prev in lock.prevs.items():
        facts[f"flexlock.prevs.{name}"] = str(prev.id or prev.path)
    return {_name(key): value[:_LONGEST_TAG] for key, value in facts.items()}


def _log_params(mlflow: Any, run_id: str, config: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    params = [Param(key, value) for key, value in _flattened(config).items()]
    client = mlflow.MlflowClient()
    for start in range(0, len(params), _BATCH):
        client.log_batch(run_id, params=params[start : start + _BATCH])


def _flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = _name(f"{prefix}{key}")
        if isinstance(value, Mapping) and value:
            flat |= _flattened(value, f"{name}.")
            continue
        is_text = isinstance(value, str)
        text = str(value) if is_text else json.dumps(value, default=str, ensure_ascii=False)
        is_long = len(text) > _LONGEST_PARAM
        flat[name] = f"{text[: _LONGEST_PARAM - 3]}..." if is_long else text
    return flat


def _name(key: str) -> str:
    """Return a key in the letters that MLflow allows."""
    cleaned = _NOT_IN_NAMES.sub("_", key).strip()
    return cleaned if cleaned.strip(".") else "_"


def _log_files(mlflow: Any, sheet: Path) -> None:
    for file in (sheet, *(sheet.with_name(name) for name in _LOGS)):
        if file.is_file():
            mlflow.log_artifact(os.fspath(file))


def _own_tags(run: Run) -> dict[str, str]:
    return {
        key: value
        for key, value in run.data.tags.items()
        if not key.startswith(("flexlock.", "mlflow."))
    }


def _promote(mlflow: Any, run: ActiveRun, logical: str) -> None:
    """Make a run the active one of its logical run.

    Two processes may do this at the same time. Each first declares its run active and then retires
    every active run but the greatest in (sequence, start, id). The greatest of all is retired by
    nobody, and whoever declares second sees both; so exactly one stays, without a lock and whatever
    the clocks of the two say.
    """
    client = mlflow.MlflowClient()
    experiments = [run.info.experiment_id]
    numbers = [_order(other)[0] for other in _runs(mlflow, logical, experiments)]
    mine = {_SEQUENCE: str(max(numbers, default=0) + 1), **_statuses(ACTIVE)}
    for key, value in mine.items():
        _set_tag(client, run.info.run_id, key, value)
    ranked = sorted(_runs(mlflow, logical, experiments, ACTIVE), key=_order)
    if not ranked:
        return
    winner = ranked.pop().info.run_id
    for loser in ranked:
        for key, value in {_SUPERSEDED_BY: winner, **_statuses(DEPRECATED)}.items():
            _set_tag(client, loser.info.run_id, key, value)
    if ranked and winner == run.info.run_id:
        _set_tag(client, winner, _SUPERSEDES, ranked[-1].info.run_id)


def _set_tag(client: Any, run_id: str, key: str, value: str) -> None:
    """Set a tag, also when another process sets the same one in this moment.

    MLflow's database store looks whether the tag is there and then inserts it, so of two that set
    it for the first time one is refused. By then it is there, and the second attempt replaces it.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.set_tag(run_id, key, value)
    except MlflowException:
        client.set_tag(run_id, key, value)


def _order(run: Run) -> tuple[int, int, str]:
    sequence = run.data.tags.get(_SEQUENCE, "0")
    return int(sequence) if sequence.isdigit() else 0, run.info.start_time, run.info.run_id


def _runs(
    mlflow: Any,
    logical: str | None,
    experiment_ids: list[str] | None,
    status: str | None = None,
    experiment_names: list[str] | None = None,
) -> list[Run]:
    """Return the MLflow runs of a logical run, or of all of them, the greatest first."""
    conditions = [f"tags.`{RUN_STATUS}` = '{status}'"] if status else []
    quote = next((q for q in ("'", '"') if logical is not None and q not in logical), None)
    if quote:
        conditions.append(f"tags.`{LOGICAL_ID}` = {quote}{logical}{quote}")
    found = mlflow.search_runs(
        experiment_ids=experiment_ids,
        experiment_names=experiment_names,
        filter_string=" and ".join(conditions),
        output_format="list",
    )
    own = [
        run
        for run in found
        if LOGICAL_ID in run.data.tags and logical in (None, run.data.tags[LOGICAL_ID])
    ]
    return sorted(own, key=_order, reverse=True)


def _end(mlflow: Any, run: ActiveRun, status: str | None, ending: str) -> None:
    client = mlflow.MlflowClient()
    for key, value in _statuses(status).items() if status else ():
        _set_tag(client, run.info.run_id, key, value)
    current = mlflow.active_run()
    if current is not None and current.info.run_id == run.info.run_id:
        mlflow.end_run(ending)
    else:  # the block ended it itself
        client.set_terminated(run.info.run_id, ending)
