"""Runs from Python: a project of named configs, each of which says what it runs.

    from flexlock import Project, py2cfg

    project = Project({"prepare": py2cfg(prepare, save_dir="results/prepare"),
                       "train": py2cfg(train, save_dir="results/train", lr=0.1)})
    project.submit("prepare").raise_on_failure()
    results = project.submit("train", sweep=[0.1, 0.01], sweep_target="lr", n_jobs=2)

Everything runs as it does from the command line: same sheets, same queues, same workers.

* ``nodes`` makes a config that can run of a name, a mapping or a function, and calls it.
* ``places`` decides where a run writes when there is one already.
* ``submitting`` runs one config or many; ``pipelines`` runs lists of stages.
* ``results`` says what became of them.
"""

from flexlock.project.project import Project, submit
from flexlock.project.results import ExecutionResult

__all__ = ["ExecutionResult", "Project", "submit"]
