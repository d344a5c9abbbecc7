"""`Project`: named configs, submitted from Python as scripts are from the command line."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.config.restoring import finish
from flexlock.errors import ConfigError, FlexLockError
from flexlock.files import write_atomically
from flexlock.project.nodes import Node, Overrides, load_defaults, node_names, prepare
from flexlock.project.pipelines import run_pipeline
from flexlock.project.places import SaveDirPolicy, check_policy
from flexlock.project.results import ExecutionResult
from flexlock.project.submitting import (
    Request,
    Reuse,
    Sweep,
    run_node,
    run_sweep,
    submit_node,
)
from flexlock.tasks.model import TaskOptions

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["Project", "submit"]

Settings = str | Path | Mapping[str, Any] | None


class Project:
    """Named configs, each of which says under ``_target_`` what it runs.

    Args:
        defaults: A config of any kind; a config file (YAML, JSON, TOML); a Python file or
            ``file.py:NAME``; an import path ``package.module:NAME``; None for no names.

    Raises:
        ConfigError: There is no such file or name, or it is no config.
    """

    def __init__(self, defaults: object = None) -> None:
        self._tree = load_defaults(defaults) if defaults is not None else {}

    @property
    def names(self) -> list[str]:
        """The dotted keys of all configs that can run."""
        return node_names(self._tree)

    def get(self, key: str) -> DictConfig:
        """Return one config by its dotted key, by itself: nothing in it refers out of it.

        The defaults of its function are in it; interpolations within it are not resolved.

        Raises:
            ConfigError: There is no such config, or it does not fit its function.
        """
        return prepare(self._tree, key).config

    def submit(
        self,
        what: object = None,
        *,
        sweep: Sweep | None = None,
        sweep_target: str | None = None,
        sweep_root: str | os.PathLike[str] | None = None,
        overrides: Overrides = (),
        merge: object = None,
        n_jobs: int = 1,
        slurm_config: Settings = None,
        pbs_config: Settings = None,
        container: Settings = None,
        wait: bool = True,
        after: Sequence[str] = (),
        isolated: bool = False,
        save_dir_policy: SaveDirPolicy = "rerun",
        force: bool = False,
        reuse: Reuse = "never",
        search_dirs: Sequence[str | os.PathLike[str]] = (),
        tag: str | None = None,
        note: str | None = None,
        debug: bool = False,
        dry_run: bool = False,
        quiet: bool = False,
    ) -> ExecutionResult | list[ExecutionResult]:
        """Run a config; with `sweep`, once for each of its tasks.

        Args:
            what: A dotted key, a config with ``_target_``, a function, or None for the whole
                defaults.
            sweep: Values or mappings, or a file of them as ``--tasks`` takes it.
            sweep_target: The dotted key that values of the sweep are for.
            sweep_root: The directory of the sweep; by default from the config's ``save_dir``.
            overrides: Values by dotted keys, or words as after ``-o``.
            merge: A config, or a config file, that is merged before the overrides.
            n_jobs: Worker processes for a sweep; 1 runs in this process, -1 is one a core.
            slurm_config: A file, or its content, that says how to ask Slurm for workers.
            pbs_config: The same for PBS.
            container: An image, or settings, in which local workers run.
            wait: Whether to wait for a cluster.
            after: Jobs that must have succeeded before workers of a cluster start.
            isolated: Whether a single run gets a process of its own.
            save_dir_policy: What happens to a directory that holds a run already.
            force: Run also where the policy would raise or skip; of a sweep, also done tasks.
            reuse: ``exact`` lets a finished run that is the same stand for this one.
            search_dirs: Where finished runs are; by default the folder that ``save_dir`` is in.
            tag: A name for the run once it has succeeded, see ``flexlock tag``.
            note: A remark for the run sheet.
            debug: Whether errors of the function are raised, after looking into them.
            dry_run: Whether to say what would run instead of running it.
            quiet: Whether the lines about start and end are left out.

        Returns:
            What became of it; for a sweep a list, in the order of its tasks.

        Raises:
            ConfigError: The config or the request is wrong; nothing was run.
            FlexLockError: Nothing could be run. What a function raises is in its result.
            KeyboardInterrupt: Somebody stopped it.
        """
        check_policy(save_dir_policy)
        request = Request(
            policy=save_dir_policy,
            force=force,
            reuse=reuse,
            search_dirs=tuple(os.fspath(folder) for folder in search_dirs),
            note=note,
            debug=debug,
            dry_run=dry_run,
            quiet=quiet,
            isolated=isolated,
            tasks=_task_options(n_jobs, slurm_config, pbs_config, container, wait, after),
        )
        _check(request, sweep, sweep_target, tag)
        node = prepare(self._tree, what, overrides=overrides, merge=merge)
        if sweep is not None:
            root = Path(sweep_root) if sweep_root is not None else None
            return run_sweep(node, request, sweep, sweep_target, root)
        result = submit_node(node, request)
        if tag is not None and result.is_success and result.save_dir is not None and not dry_run:
            from flexlock.tags import tag_run

            tag_run(tag, result.save_dir, note or "")
        return result

    def submit_pipeline(
        self,
        items: Sequence[Sequence[object]],
        *,
        root: str | os.PathLike[str] = "outputs/pipeline",
        n_jobs: int = 1,
        slurm_config: Settings = None,
        pbs_config: Settings = None,
        container: Settings = None,
        wait: bool = True,
        after: Sequence[str] = (),
        force: bool = False,
        reuse: Reuse = "never",
        note: str | None = None,
        dry_run: bool = False,
        quiet: bool = False,
    ) -> list[list[ExecutionResult]]:
        """Run items of stages: those of one item in order on one worker, items side by side.

        When a stage does not succeed, the later ones of its item are BLOCKED; other items go on.
        Repeating the call runs the items again that did not succeed; with ``reuse="exact"`` their
        finished stages are not run again.

        Args:
            items: For each item its stages: keys, configs with ``_target_``, or functions.
            root: The directory of the pipeline. A stage without a ``save_dir`` writes in the
                directory of its item there.
            n_jobs: Worker processes on this machine.
            slurm_config: How to ask Slurm for workers.
            pbs_config: How to ask PBS for workers.
            container: An image, or settings, in which local workers run.
            wait: Whether to wait for a cluster.
            after: Jobs that must have succeeded before workers of a cluster start.
            force: Also items that are done.
            reuse: ``exact`` lets finished runs stand for stages.
            note: A remark for the sheet of the pipeline.
            dry_run: Whether to say what would run instead of running it.
            quiet: Whether the lines about start and end are left out.

        Returns:
            For each item a result for each stage.

        Raises:
            ConfigError: A stage cannot run; nothing was run.
            FlexLockError: Nothing could be run. What a function raises is in its result.
        """
        request = Request(
            force=force,
            reuse=reuse,
            note=note,
            dry_run=dry_run,
            quiet=quiet,
            tasks=_task_options(n_jobs, slurm_config, pbs_config, container, wait, after),
        )
        _check(request, (), None, None)
        nodes = [[self._stage(stage) for stage in item] for item in items]
        return run_pipeline(nodes, request, Path(root))

    def run_stage(self, what: object, *, overrides: Overrides = ()) -> ExecutionResult:
        """Run one config in this process, in its own ``save_dir``, and return what became of it.

        Raises:
            ConfigError: It cannot run.
        """
        return run_node(prepare(self._tree, what, overrides=overrides), Request())

    def check(self, *names: str) -> list[str]:
        """Return what keeps configs from running, a sentence each; nothing is run.

        Functions that cannot be imported, values that do not fit or are missing, interpolations
        without a value.

        Args:
            *names: Dotted keys; all configs that can run by default.
        """
        problems = []
        for name in names or self.names:
            try:
                finish(prepare(self._tree, name).draft)
            except FlexLockError as error:
                problems.append(f"{name}: {error.message}")
        return problems

    def save_snapshot(self, folder: str | os.PathLike[str]) -> Path:
        """Write the defaults into ``pipeline.yaml`` in a folder, secrets masked, and return it.

        Raises:
            OSError: It cannot be written.
        """
        from flexlock.config.plain import plain_value
        from flexlock.config.secrets import mask_secrets
        from flexlock.lock.yamlfile import dump, to_data

        path = Path(folder) / "pipeline.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        tree = to_data(mask_secrets(plain_value(self._tree)), lambda place: None)
        write_atomically(path, dump(tree))
        return path

    def _stage(self, stage: object) -> Node:
        node = prepare(self._tree, stage)
        finish(copy.deepcopy(node.draft))  # what does not fit is refused before anything runs
        return node


def submit(what: object, **settings: Any) -> ExecutionResult | list[ExecutionResult]:
    """Run a config with ``_target_``, or a function, without a project; see `Project.submit`."""
    return Project().submit(what, **settings)


def _task_options(
    n_jobs: int,
    slurm_config: Settings,
    pbs_config: Settings,
    container: Settings,
    wait: bool,
    after: Sequence[str],
) -> TaskOptions:
    from flexlock.tasks.options import cores

    if n_jobs != -1 and n_jobs < 1:
        message = f"n_jobs must be at least 1, or -1 for one worker a core, not {n_jobs}."
        raise ConfigError(message)
    return TaskOptions(
        n_jobs=cores() if n_jobs == -1 else n_jobs,
        slurm_config=slurm_config,
        pbs_config=pbs_config,
        container=container,
        wait=wait,
        after=tuple(after),
    )


def _check(request: Request, sweep: Sweep | None, target: str | None, tag: str | None) -> None:
    """Refuse what contradicts itself, before anything is done."""
    tasks = request.tasks
    on_cluster = tasks.slurm_config is not None or tasks.pbs_config is not None
    wrong = {
        "slurm_config and pbs_config": tasks.slurm_config is not None
        and tasks.pbs_config is not None,
        "wait=False without a cluster": not tasks.wait and not on_cluster,
        "after without a cluster": bool(tasks.after) and not on_cluster,
        "n_jobs on a cluster": on_cluster and tasks.n_jobs != 1,
        "n_jobs for a single run": sweep is None and tasks.n_jobs != 1,
        "sweep_target without a sweep": sweep is None and target is not None,
        "tag for a sweep": sweep is not None and tag is not None,
        "isolated for a sweep": sweep is not None and request.isolated,
        "search_dirs without reuse='exact'": bool(request.search_dirs) and request.reuse != "exact",
        "debug in another process": request.debug and (request.needs_worker or tasks.n_jobs != 1),
        "debug for a sweep": request.debug and sweep is not None,
    }
    for what, is_asked in wrong.items():
        if is_asked:
            raise ConfigError(f"{what[0].upper()}{what[1:]} has no meaning.", hint="Leave it out.")
