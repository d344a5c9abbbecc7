"""``deriva-ml-split-dataset``: divide a dataset into parts, and say which."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .endings import ended_by

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.dataset.split import PartitionInfo, SplitResult
    from deriva_ml.execution.workflow import Workflow

__all__ = ["main"]

_PROGRAM = "deriva-ml-split-dataset"

_DESCRIPTION = """\
Divide the elements of a dataset, and of those inside it, into a training, a testing and perhaps a
validation dataset, in an execution of its own. Prints for each dataset its RID, version and number
of elements.
"""

_EPILOG = """\
A size with a point is a share of the elements, any other a number of them.

examples:
  deriva-ml-split-dataset --hostname localhost --catalog-id digits --dataset-rid 1-ABC
  deriva-ml-split-dataset --dataset-rid 1-ABC --test-size 0.2 --val-size 0.1 \\
      --stratify-by-column Image_Label.Label     the catalog of .deriva-context.json
  deriva-ml-split-dataset --dataset-rid 1-ABC --test-size 100 --dry-run    only the sizes

exit status: 0 when the dataset was divided; 1 when that failed on the way; 2 when the command line
was not understood, or it names what does not exist or cannot be divided: nothing is written then.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when the dataset was divided."""
    options = _parser().parse_args(arguments)
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.exceptions import DerivaMLException

    try:
        ml = DerivaML(**_place(options))
    except DerivaMLException as error:
        return ended_by(_PROGRAM, error, writing=False)
    try:
        return _run(ml, options)
    finally:
        ml.catalog.close()


def _place(options: argparse.Namespace) -> dict[str, Any]:
    """The options as arguments to connect with."""
    from deriva_ml.core.context import place_of

    place = place_of(options.hostname, options.catalog_id)
    if options.working_dir is not None:
        place["working_dir"] = options.working_dir
    if options.domain_schema is not None:
        place.pop("default_schema", None)
        place["domain_schema"] = options.domain_schema
    return place


def _run(ml: DerivaML, options: argparse.Namespace) -> int:
    """Plan, then divide; returns the exit status."""
    from deriva_ml.core.exceptions import DerivaMLException

    planned = False
    try:
        settings = _settings(options)
        workflow = _workflow(ml, options.workflow_type)
        result = _plan(ml, options, settings)
        planned = True
        if not options.dry_run:
            result = _divide(ml, options, settings, workflow)
        for line in _lines(ml, result, options.show_urls):
            print(line)
    except DerivaMLException as error:
        return ended_by(_PROGRAM, error, writing=planned)
    return 0


def _plan(ml: DerivaML, options: argparse.Namespace, settings: dict[str, Any]) -> SplitResult:
    """The sizes; what cannot work is refused here, before there is an execution."""
    from deriva_ml.dataset.split import split_dataset

    return split_dataset(ml, options.dataset_rid, dry_run=True, **settings)


def _divide(
    ml: DerivaML, options: argparse.Namespace, settings: dict[str, Any], workflow: Workflow
) -> SplitResult:
    """Divide in an execution of its own."""
    from deriva_ml.dataset.split import split_dataset
    from deriva_ml.execution.configuration import ExecutionConfiguration

    text = options.description or f"Division of dataset {options.dataset_rid}."
    execution = ml.create_execution(ExecutionConfiguration(description=text), workflow=workflow)
    with execution:
        result = split_dataset(ml, options.dataset_rid, execution, **settings)
    execution.upload_execution_outputs()
    return result


def _workflow(ml: DerivaML, workflow_type: str) -> Workflow:
    from deriva_ml.execution.workflow import Workflow

    url, checksum = Workflow.get_url_and_checksum(__file__, allow_dirty=True)
    workflow = Workflow(
        name=_PROGRAM,
        workflow_type=workflow_type,
        description="Divides a dataset into parts.",
        url=url,
        checksum=checksum,
    )
    ml.workflows.check_types(workflow)
    return workflow


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options as arguments of `split_dataset`."""
    names = (
        "test_size train_size val_size seed stratify_by_column stratify_missing element_table "
        "include_tables row_per via ignore_unrelated_anchors partition_by training_types "
        "testing_types validation_types"
    )
    settings = {name: getattr(options, name) for name in names.split()}
    return settings | {
        "shuffle": not options.no_shuffle,
        "split_description": options.description,
    }


def _lines(ml: DerivaML, result: SplitResult, urls: bool) -> Iterator[str]:
    """What was made, a line for each dataset."""
    yield f"{result.strategy}, seed {result.seed}, elements of {result.element_table}"
    named: dict[str, PartitionInfo | None] = {
        "source": result.source,
        "split": result.split,
        "training": result.training,
        "validation": result.validation,
        "testing": result.testing,
    }
    for name, info in named.items():
        if info is not None:
            shown = f"{name:<10}  {info.rid:<10}  {info.version:<9}  {info.count:>8}"
            there = urls and (not result.dry_run or name == "source")
            yield f"{shown}  {ml.chaise_url(info.rid)}" if there else shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _say_what(parser)
    _say_how(parser)
    _say_as(parser)
    return parser


def _say_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--hostname",
        help="localhost, a server, or the directory of a catalog (default: what "
        ".deriva-context.json says)",
    )
    add("--catalog-id", help="number or alias of the catalog (default: 1)")
    add("--dataset-rid", required=True, help="the dataset to divide")
    add("--domain-schema", help="schema of the elements, where there are several")
    add("--working-dir", help="base of the directory that the execution works in")
    add("--element-table", help="which elements, where the dataset has several kinds")


def _say_how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    for part, default in (("test", 0.2), ("train", None), ("val", None)):
        text = "default: %(default)s" if default else "default: the rest"
        text = "default: no such part" if part == "val" else text
        add(f"--{part}-size", type=_size, default=default, metavar="SIZE", help=f"({text})")
    add("--no-shuffle", action="store_true", help="take the elements in the order of their RIDs")
    add("--seed", type=int, default=42, help="of the random numbers (default: %(default)s)")
    add("--stratify-by-column", metavar="TABLE.COLUMN", help="give each part the same shares")
    add(
        "--stratify-missing",
        choices=("error", "drop", "include"),
        default="error",
        help="what to do with elements without a class (default: %(default)s)",
    )
    add("--include-tables", type=_names, metavar="A,B", help="further tables to join")
    add("--row-per", metavar="TABLE", help="what a row stands for (default: an element)")
    add("--via", type=_names, metavar="A,B", help="tables that lead from one to another")
    add(
        "--ignore-unrelated-anchors",
        action="store_true",
        help="leave out members that have nothing to do with the rows",
    )
    add(
        "--partition-by",
        choices=("element", "row"),
        help="what goes into parts; needed where a row is not an element",
    )


def _say_as(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    for part in ("training", "testing", "validation"):
        text = "further types of that dataset (default: Labeled; '' for none)"
        add(f"--{part}-types", type=_names, default="Labeled", metavar="A,B", help=text)
    add("--description", default="", help="of the datasets and the execution")
    add(
        "--workflow-type",
        default="Dataset_Split",
        help="type of the workflow that the execution belongs to (default: %(default)s)",
    )
    add("--dry-run", action="store_true", help="only compute the sizes")
    add("--show-urls", action="store_true", help="print the address of each dataset's page")


def _size(text: str) -> float | int:
    try:
        number = float(text)
    except ValueError as error:
        msg = f"{text!r} is no size; write a share such as 0.2, or a number of elements such as 100"
        raise argparse.ArgumentTypeError(msg) from error
    return int(number) if number.is_integer() and (number > 1 or "." not in text) else number


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
