"""Jobs through submitit, each on its own: one that dies takes no other along.

Hydra's plugin gives up at the first job whose process died, and leaves the others running. Here
all are waited for, and all are cancelled when the launching process is interrupted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, filter_overrides
from hydra.plugins.launcher import Launcher

from ..core.exceptions import DerivaMLConfigurationError
from ..core.logging_config import get_logger
from .secrets import masked_words

__all__ = ["check_submitit", "is_submitit", "launch_by_submitit"]

_log = get_logger(__name__)
_MODULE = "hydra_plugins.hydra_submitit_launcher"
_OF_EVERY_KIND = {
    "cpus_per_task",
    "gpus_per_node",
    "mem_gb",
    "name",
    "nodes",
    "stderr_to_stdout",
    "tasks_per_node",
    "timeout_min",
}
_OF_THE_EXECUTOR = {"max_num_timeout"}


def is_submitit(launcher: Launcher) -> bool:
    """Whether a launcher is one of Hydra's plugin for submitit."""
    return type(launcher).__module__.startswith(_MODULE)


def check_submitit(launcher: Any) -> None:
    """Refuse parameters by which a job would run several times over.

    Raises:
        DerivaMLConfigurationError: They ask for more than one task for a job.
    """
    asked = {name: launcher.params.get(name) or 1 for name in ("nodes", "tasks_per_node")}
    for name, number in asked.items():
        if number != 1:
            raise DerivaMLConfigurationError(
                f"hydra.launcher.{name} is {number}, so that each job of the sweep would run "
                f"{number} times at once. Leave it at 1; hydra.launcher.cpus_per_task and "
                "gpus_per_node give a job more to work with."
            )


def launch_by_submitit(
    launcher: Any, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Launch jobs as the plugin would, and return what became of each.

    Args:
        launcher: The plugin's launcher, which is what each job calls.
        job_overrides: The words of each job.
        first: The number of the first job.
    """
    executor = _executor(launcher)
    state = Singleton.get_state()
    with executor.batch():
        jobs = [
            executor.submit(launcher, list(words), "hydra.sweep.dir", number, str(number), state)
            for number, words in enumerate(job_overrides, first)
        ]
    for number, (job, words) in enumerate(zip(jobs, job_overrides, strict=True), first):
        _log.info(
            "Job %s is %s: %s", number, job.job_id, " ".join(masked_words(filter_overrides(words)))
        )
    try:
        return [_outcome(job, words) for job, words in zip(jobs, job_overrides, strict=True)]
    except BaseException:
        for job in jobs:
            _cancel(job)
        raise


def _cancel(job: Any) -> None:
    """Cancel a job; one that cannot be is logged, so that the others are."""
    try:
        if not job.done():
            job.cancel()
    except (OSError, subprocess.SubprocessError) as error:
        _log.error("Job %s is not cancelled: %s", job.job_id, error)


def _executor(launcher: Any) -> Any:
    """The executor that the launcher's parameters describe."""
    import submitit

    kind, params = launcher._EXECUTOR, dict(launcher.params)
    folder = params.pop("submitit_folder")
    own = {f"{kind}_{k}": params.pop(k) for k in _OF_THE_EXECUTOR & params.keys()}
    executor = submitit.AutoExecutor(folder=folder, cluster=kind, **own)
    executor.update_parameters(
        **{k if k in _OF_EVERY_KIND else f"{kind}_{k}": v for k, v in params.items()}
    )
    return executor


def _outcome(job: Any, words: Sequence[str]) -> JobReturn:
    """What a job returned, once it has ended."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    from .sweep_keeper import failed_job

    try:
        (returned,) = job.results()
    except (FailedJobError, UncompletedJobError):
        return failed_job(words, f"The process of the job died. Its output: {job.paths.stderr}")
    return returned  # type: ignore[no-any-return]
