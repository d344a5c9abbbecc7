"""What stands around Hydra's sweeper and launcher, whichever they are, in the launching process.

The configured sweeper runs inside `KeptSweeper`, which shows the jobs while they run, and at the
end, in whatever way it comes, closes the parent execution and prints the summary. The configured
launcher runs inside `KeptLauncher`, which notes the jobs in the sweep's record before they are
launched, and goes on when the process of a job dies.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from ..core.connect import close_shared_catalogs
from ..core.exceptions import DerivaMLExecutionError
from ..core.logging_config import get_logger
from . import sweep
from .begun import note_begun
from .sweep_configs import SweepConfigs
from .sweep_isolation import is_installed
from .sweep_log import masked_log
from .sweep_output import BesideTable
from .sweep_place import sweep_directory
from .sweep_record import Sweep, SweepJob
from .sweep_workers import await_workers, dismiss_workers, start_workers

__all__ = [
    "KeptLauncher",
    "KeptSweeper",
    "failed_job",
    "keep",
    "plugin_module",
    "resume_line",
]

_log = get_logger(__name__)

PLACE = "hydra_plugins.deriva_ml"
"""Hydra takes plugins only from modules below ``hydra_plugins``, and imports all that it finds
there whenever it starts; ours are put there by hand when a sweep begins."""

_HYDRAS_OWN = "hydra._internal.core_plugins."
_COMMAND = "deriva-ml-run"
_MODULE = "deriva_ml.cli.run"
_NEVER_BEGAN = "The process of the job died twice before the job began."


class DeadJobError(DerivaMLExecutionError):
    """The process of a job died, so that the job could say nothing of its end."""


def keep(config: DictConfig) -> None:
    """Put `KeptSweeper` into a composed configuration, around the configured sweeper."""
    from .sweep_optuna import OptunaSweeper

    place = plugin_module()
    for plugin in (KeptSweeper, KeptLauncher, OptunaSweeper):
        setattr(place, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweeper = {
            "_target_": f"{PLACE}.KeptSweeper",
            "_recursive_": False,
            "sweeper": config.hydra.sweeper,
        }


def plugin_module() -> ModuleType:
    """The module that Hydra finds our plugins in; its package may be absent."""
    if PLACE in sys.modules:
        return sys.modules[PLACE]
    above, _, name = PLACE.partition(".")
    if importlib.util.find_spec(above) is None:
        package = ModuleType(above)
        package.__path__ = []
        sys.modules[above] = package
    made = ModuleType(PLACE)
    sys.modules[PLACE] = made
    setattr(importlib.import_module(above), name, made)
    return made


class KeptSweeper(Sweeper):
    """The configured sweeper, with a record, a table of the jobs, and an orderly end.

    Args:
        sweeper: The configuration of the sweeper.
    """

    __module__ = PLACE

    def __init__(self, sweeper: DictConfig) -> None:
        self._configured = sweeper
        self._sweeper: Sweeper | None = None
        self._configs: SweepConfigs | None = None
        self._directory = Path()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Begin the record, and make the sweeper, with our launcher around the configured one.

        Raises:
            DerivaMLConfigurationError: Another process runs a sweep in the directory.
        """
        line = resume_line(str(config.hydra.job.config_name))
        self._directory = sweep.begin_sweep(config, line)
        own = str(self._configured.get("_target_", "")).startswith(_HYDRAS_OWN)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweeper = self._configured
            config.hydra.launcher = {
                "_target_": f"{PLACE}.KeptLauncher",
                "_recursive_": False,
                "launcher": config.hydra.launcher,
                "hide_failures": own,
            }
        self._configs = SweepConfigs(hydra_context.config_loader, self._directory)
        context = HydraContext(config_loader=self._configs, callbacks=hydra_context.callbacks)
        self._sweeper = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep.

        Raises:
            DerivaMLExecutionError: Jobs did not end well; the message has their numbers.
        """
        from . import sweep_screen

        if self._sweeper is None or self._configs is None:
            raise DerivaMLExecutionError("The sweeper was not set up before it was to run.")
        try:
            with sweep_screen.watch(self._directory), _collector_at_ease():
                returned = self._sweeper.sweep(arguments)
        except BaseException:
            self._end(self._configs)  # what goes wrong there is logged: this is what counts
            raise
        error = self._end(self._configs)
        missing = [j for j in Sweep(self._directory).jobs() if j.status != "completed"]
        if missing:
            raise DerivaMLExecutionError(_what_failed(missing)) from error
        if error is not None:
            raise error
        return returned

    def _end(self, configs: SweepConfigs) -> Exception | None:
        """Bring the sweep to its end; a step that fails is logged and stops no other.

        Returns the first error.
        """
        from . import sweep_screen

        steps: tuple[Callable[[Path], object], ...] = (
            lambda _: dismiss_workers(),
            lambda _: configs.forget(),
            lambda _: close_shared_catalogs(),
            sweep.settle_sweep,
            sweep.finish_sweep,
            _note_parents,
            sweep_screen.summary,
        )
        first: Exception | None = None
        for step in steps:
            try:
                step(self._directory)
            except Exception as error:  # noqa: BLE001  (whatever it is, the others are done)
                _log.error("The sweep in %s did not end in order: %s", self._directory, error)
                _log.debug("Where that happened:", exc_info=error)
                first = first or error
        return first


def _note_parents(directory: Path) -> None:
    """Note that the parents were begun: by a job, which may be in another process."""
    for parent in Sweep(directory).known_parents():
        note_begun(parent.rid)


def _what_failed(missing: Sequence[SweepJob]) -> str:
    first = next((j for j in missing if j.error), missing[0])
    jobs = "job" if len(missing) == 1 else "jobs"
    numbers = ", ".join(str(j.number) for j in missing[:10])
    numbers += f" and {len(missing) - 10} more" if len(missing) > 10 else ""
    return (
        f"{len(missing)} {jobs} of the sweep did not end well: {numbers}. "
        f"The first error (job {first.number}): {first.error or first.status}"
    )


class KeptLauncher(Launcher):
    """The configured launcher, with a record of what it launches.

    Args:
        launcher: The configuration of the launcher.
        hide_failures: Whether a failed job is returned as one that returned nothing, because the
            sweeper would stop at the first; what failed is in the record.
    """

    __module__ = PLACE

    def __init__(self, launcher: DictConfig, hide_failures: bool = False) -> None:
        self._configured = launcher
        self._hide_failures = hide_failures
        self._launcher: Launcher | None = None
        self._record: Sweep | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher; the configuration is then again what the user asked for.

        Raises:
            DerivaMLConfigurationError: The launcher would run a job several times over.
        """
        from .sweep_submitit import check_submitit, is_submitit

        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.launcher = self._configured
        self._record = Sweep(sweep_directory(config))
        function = BesideTable(task_function, os.getpid())
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context,
            task_function=function,
            config=config,
        )
        if is_submitit(self._launcher):
            check_submitit(self._launcher)
        with _path_for_children():
            start_workers(self._launcher, function)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Launch jobs, and return what became of each, in their order."""
        wanted = dict(enumerate(job_overrides, initial_job_idx))
        return self.launch_numbered(wanted)

    def launch_numbered(self, wanted: dict[int, Sequence[str]]) -> list[JobReturn]:
        """Launch jobs whose numbers need not follow each other."""
        if self._record is None or self._launcher is None:
            raise DerivaMLExecutionError("The launcher was not set up before it was to run.")
        self._record.queue((n, filter_overrides(words)) for n, words in wanted.items())
        with _path_for_children(), _collector_at_ease():
            await_workers()
            returned = self._launch_all(self._record, wanted)
        found = []
        for number, one in sorted(returned.items()):
            self._note(self._record, number, one)
            if self._hide_failures and one.status is JobStatus.FAILED:
                one.status, one.return_value = JobStatus.COMPLETED, None
            found.append(one)
        sweep.settle_sweep(self._record.directory)
        return found

    def _launch_all(self, record: Sweep, wanted: dict[int, Sequence[str]]) -> dict[int, JobReturn]:
        """Launch the jobs; when a process dies, those that it took along get another chance."""
        returned: dict[int, JobReturn] = {}
        waiting = [list(group) for group in _in_a_row(sorted(wanted))]
        tried: set[int] = set()
        while waiting:
            numbers = waiting.pop(0)
            if numbers[0] in tried:
                _log.warning("Job %s is run again, by itself.", numbers[0])
            try:
                found = self._launch(numbers, wanted)
            except BrokenProcessPool as error:
                _log.warning("A process that ran jobs died: %s", str(error).strip())
                sweep.settle_sweep(record.directory)
                alone, rest = self._after_death(record, numbers, tried, returned)
                if not alone and rest == numbers:  # none came as far as to begin
                    alone, rest = rest, []
                waiting += [list(group) for group in _in_a_row(rest)] + [[n] for n in alone]
                tried.update(alone)
                continue
            returned.update(zip(numbers, found, strict=True))
        return returned

    def _launch(self, numbers: list[int], wanted: dict[int, Sequence[str]]) -> Sequence[JobReturn]:
        from .sweep_submitit import is_submitit, launch_by_submitit

        if self._launcher is None:
            raise DerivaMLExecutionError("The launcher was not set up before it was to run.")
        words = [wanted[number] for number in numbers]
        if is_submitit(self._launcher):
            return launch_by_submitit(self._launcher, words, numbers[0])
        with masked_log(self._launcher, words):
            return self._launcher.launch(words, initial_job_idx=numbers[0])

    @staticmethod
    def _after_death(
        record: Sweep, numbers: list[int], tried: set[int], returned: dict[int, JobReturn]
    ) -> tuple[list[int], list[int]]:
        """Which jobs are run again, by themselves because one of them may be the cause; the rest.

        What the others returned is taken from the record.
        """
        alone, rest = [], []
        for job in record.jobs():
            if job.number not in numbers:
                continue
            if job.status == "queued" and job.number in tried:
                record.note_job(job.number, "interrupted", error=_NEVER_BEGAN)
                returned[job.number] = failed_job(job.overrides, _NEVER_BEGAN)
            elif job.status == "queued":
                rest.append(job.number)
            elif job.status == "interrupted" and job.number not in tried:
                alone.append(job.number)
            else:
                returned[job.number] = _from_record(job)
        return alone, rest

    @staticmethod
    def _note(record: Sweep, number: int, returned: JobReturn) -> None:
        """Note the end of a job that could not note it itself."""
        job = record.job(number)
        if job is not None and job.status in ("completed", "failed", "interrupted"):
            return
        if returned.status is JobStatus.COMPLETED:
            record.note_job(number, "completed")
            return
        error = returned._return_value
        text = str(error) if isinstance(error, DeadJobError) else f"{type(error).__name__}: {error}"
        if job is not None and job.status == "running":
            record.note_error(number, text)  # what it left behind is settled afterwards
        else:
            record.note_job(number, "failed", error=text)


def _from_record(job: SweepJob) -> JobReturn:
    """What a job returned, as the record knows it."""
    if job.status == "completed":
        made = JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED)
        made.return_value = job.value
        return made
    return failed_job(job.overrides, job.error or job.status)


def failed_job(overrides: Sequence[str], error: str) -> JobReturn:
    """What stands for a job that could not return anything."""
    made = JobReturn(overrides=overrides, status=JobStatus.FAILED)
    made.return_value = DeadJobError(error)
    return made


def _in_a_row(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Split ascending numbers where one does not follow the other."""
    cuts = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    for begin, end in pairwise([0, *cuts, len(numbers)]):
        if end > begin:
            yield numbers[begin:end]


@contextmanager
def _path_for_children() -> Iterator[None]:
    """Let processes that jobs are started in find the modules that this one finds."""
    before = os.environ.get("PYTHONPATH")
    ours = [str(Path(entry).absolute()) for entry in sys.path]
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in ours if not is_installed(p))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _collector_at_ease() -> Iterator[None]:
    """Keep the collector of garbage from looking at all modules in each job.

    That is a fifth of what a small job costs.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def resume_line(config_name: str) -> str:
    """The command line that takes up the sweep that this process launches."""
    words = sys.orig_argv[1:]
    if words[:2] == ["-m", _MODULE]:
        given = words[2:]
    elif words and Path(words[0]).stem == _COMMAND:
        given = words[1:]
    elif Path(sys.argv[0]).stem == _COMMAND:  # called by a function, which took the words apart
        named = ["--config-name", config_name] if config_name != "deriva_model" else []
        given = named + [w for w in sys.argv[1:] if not w.startswith("hydra.job.name=")]
    else:
        given = [w for w in sys.argv[1:] if not w.startswith("resume=")]
        return shlex.join(["python", sys.argv[0], *given, "resume=True"])
    given = [w for w in given if w not in ("--resume", "resume=True")]
    return shlex.join([_COMMAND, "--resume", *given])
