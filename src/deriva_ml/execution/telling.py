"""What a command says at the end of a run: what became of it, and where it is."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from ..core.exceptions import some_of

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from .planned import Outcome

__all__ = ["tell_dry_run", "tell_result", "tell_resuming"]


def tell_dry_run() -> None:
    """Print that a dry run went well."""
    sys.stdout.write("Dry run: the configuration and the inputs are there; nothing was recorded.\n")


def tell_resuming(outcome: Outcome) -> None:
    """Print what there was to go on with, where that is another thing than what was asked for."""
    if outcome.elsewhere or outcome.resumed:
        return
    if outcome.execution is None:
        line = "It was completed before: nothing was left to do."
    else:
        line = "There was nothing to resume: nothing was begun with these words and this code."
    sys.stdout.write(f"{line}\n")


def tell_result(ml: DerivaML, rid: str) -> None:
    """Print the files that an execution made, its state, and where it is.

    Files that describe the run itself, such as its configuration, are not named.

    Raises:
        DerivaMLNotFoundError: There is no such execution.
    """
    record = ml.lookup_execution(rid)
    files: defaultdict[str, list[str]] = defaultdict(list)
    for asset in record.list_assets("Output"):
        if asset.asset_table != "Execution_Metadata":
            files[asset.asset_table].append(asset.filename)
    lines = [f"Uploaded to {table}: {some_of(sorted(names))}" for table, names in files.items()]
    lines += [f"Execution {rid}: {record.status.value}", _place(ml, rid)]
    # The result of the command, not a note about it, so it is no matter for the log.
    sys.stdout.write("\n".join(lines) + "\n")


def _place(ml: DerivaML, rid: str) -> str:
    """The execution's address; an embedded catalog has no web pages, so its own place."""
    address = ml.catalog.url
    served = address.startswith(("http:", "https:"))
    return ml.cite(rid, current=True) if served else f"Catalog {ml.catalog.id}: {address}"
