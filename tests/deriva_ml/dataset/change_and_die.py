"""Changes of datasets that end as `kill -9` ends them, at a chosen step, in processes of their own.

    python change_and_die.py CATALOG WORKING_DIR

Lines ``OPERATION POINT`` are read. Point 0 is the whole operation, in this process. For any other
it takes place in a process that is forked off, which has what was imported and compiled before; it
kills itself at the step with that number (calls and returns of functions that change datasets or
write). A line is printed: how the process ended, and how many steps the operation has.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from deriva_ml.core.base import DerivaML
from deriva_ml.core.filespec import FileSpec
from deriva_ml.dataset.split import split_dataset

if TYPE_CHECKING:
    from _typeshed import TraceFunction

STEPS = tuple(
    str(Path(*parts))
    for parts in (
        ("deriva_ml", "dataset"),
        ("deriva_catalog", "engine", "store"),
        ("deriva_catalog", "engine", "sqlite"),
        ("deriva_catalog", "catalog"),
    )
)


@cache
def _counts(file: str) -> bool:
    return any(step in file for step in STEPS)


class Killer:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, point: int) -> None:
        self.point = point
        self.steps = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> TraceFunction | None:
        if not _counts(frame.f_code.co_filename):
            return None
        frame.f_trace_lines = False
        if event in ("call", "return"):
            self.steps += 1
            if self.steps == self.point:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def _images(ml: DerivaML) -> list[str]:
    return sorted(row["RID"] for row in ml.get_table_as_dict("Image"))


def _source(ml: DerivaML) -> str:
    return next(d.rid for d in ml.find_datasets() if d.description == "source")


def create(ml: DerivaML) -> None:
    """A dataset with types and members, one of them a dataset."""
    members = {"Image": _images(ml), "Dataset": [_source(ml)]}
    ml.datasets.create(["Training", "Labeled"], "made", members=members)


def add_members(ml: DerivaML) -> None:
    """Members for a dataset that another contains, which raises the versions of both."""
    ml.add_dataset_members(_source(ml), _images(ml)[4:])


def split(ml: DerivaML) -> None:
    """Three datasets in a fourth."""
    split_dataset(ml, _source(ml), test_size=1, val_size=1, training_types=["Brand_New"])


def add_files(ml: DerivaML) -> None:
    """Files and datasets of three directories."""
    about = {"MD5": "ab" * 16, "Length": 1}
    urls = [f"https://zoo.example.org/{n % 3}/{n}" for n in range(9)]
    ml.add_files([FileSpec.model_validate({"URL": url, **about}) for url in urls])


OPERATIONS: dict[str, Callable[[DerivaML], None]] = {
    "create": create,
    "add_members": add_members,
    "split": split,
    "add_files": add_files,
}


def _perform(ml: DerivaML, operation: str, point: int) -> int:
    killer = Killer(point)
    # Tracing, unlike profiling, tells nothing of what is called in C: most of what is called.
    sys.settrace(killer)
    OPERATIONS[operation](ml)
    sys.settrace(None)
    ml.catalog.close()
    return killer.steps


def main() -> None:
    """Serve the lines of the standard input."""
    place, work = sys.argv[1:]
    ml = DerivaML(place, working_dir=work)
    ml.catalog.close()
    gc.freeze()  # no child looks for garbage among what was imported
    for line in sys.stdin:
        operation, point = line.split()
        if point == "0":
            print(0, _perform(ml, operation, 0), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _perform(ml, operation, int(point))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), point, flush=True)


if __name__ == "__main__":
    main()
