"""``flexlock status``: where runs are, and the tasks of sweeps."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from flexlock.cli.command import make_parser, print_json

_STATUSES = {
    0: "every run and task is complete, running, waiting or recorded",
    1: "some run or task failed, was interrupted or is lost, or there is no readable sheet",
    2: "wrong use",
}
_EXAMPLES = {
    "flexlock status results/train": "one run, or one sweep",
    "flexlock status results/sweep --failed": "the tasks without success, and why",
}
_STATES = ("pending", "running", "done", "failed", "interrupted", "lost")
_BAD = ("failed", "interrupted", "lost")
_GOOD = frozenset({"complete", "running", "recorded"})


def main(argv: Sequence[str]) -> int:
    """Print the status of each run directory and of the tasks of each sweep."""
    parser = make_parser(
        "status",
        "Say where runs are, as their directories tell, and the tasks of sweeps, as their queues\n"
        "do.",
        _STATUSES,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[Path()], metavar="DIR",
        help="run directories, sweeps or task queues (the working directory by default)",
    )  # fmt: skip
    tasks = parser.add_argument_group("sweeps")
    tasks.add_argument("--failed", action="store_true", help="list the tasks without success")
    tasks.add_argument("--all", action="store_true", help="list all tasks")
    tasks.add_argument("--state", action="append", default=[], choices=_STATES,
        help="list the tasks in this state; repeatable")  # fmt: skip
    tasks.add_argument("--watch", action="store_true", help="print again until the tasks ended")
    tasks.add_argument("--interval", type=float, default=2.0, metavar="SECONDS",
        help="how often to look with --watch (default: 2)")  # fmt: skip
    arguments = parser.parse_args(argv)
    sweeps = [path for path in arguments.runs if _has_tasks(path)]
    runs = [path for path in arguments.runs if path not in sweeps]
    good = [_print_sweeps(sweeps, arguments), _print_runs(runs, arguments)]
    return 0 if all(good) else 1


def _has_tasks(path: Path) -> bool:
    """Whether a path is a sweep or its queue; told without loading anything heavy."""
    if path.is_file() or path.name == "run.lock.queue":
        return True
    return any((path / name).exists() for name in ("run.lock.tasks.db", "run.lock.queue"))


def _print_sweeps(paths: Sequence[Path], arguments: Namespace) -> bool:
    if not paths:
        return True
    from flexlock.tasks.commands import sweep_status, watch_sweep

    states = list(arguments.state)
    if arguments.failed:
        states += ["failed", "interrupted", "lost"]
    if arguments.all:
        states = list(_STATES)
    if arguments.watch:
        found = [watch_sweep(path, arguments.interval, print, states) for path in paths]
    else:
        found = [sweep_status(path) for path in paths]
    if arguments.json:
        print_json({"sweeps": [one.to_dict(states) for one in found]})
    elif not arguments.watch:
        for one in found:
            print("\n".join(one.lines(states)))
    return not any(one.counts.get(bad) for one in found for bad in _BAD)


def _print_runs(paths: Sequence[Path], arguments: Namespace) -> bool:
    if not paths:
        return True
    from flexlock.run import run_status

    found = [run_status(path) for path in paths]
    if arguments.json:
        rows = [
            {
                "save_dir": str(one.save_dir), "status": one.name, "id": one.id,
                "since": one.since, "why": one.why, "certain": one.certain,
            }
            for one in found
        ]  # fmt: skip
        print_json({"runs": rows})
    else:
        for one in found:
            since = f" since {one.since}" if one.since and one.name == "running" else ""
            doubt = "" if one.certain else " (on another machine)"
            why = f": {one.why}" if one.why else ""
            print(f"{one.save_dir}  {one.name}{since}{doubt}{why}")
    return all(one.name in _GOOD for one in found)
