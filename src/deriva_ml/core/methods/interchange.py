"""Other people's formats: flat methods of `DerivaML`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import DerivaMLValidationError, translated

if TYPE_CHECKING:
    from deriva_ml.interchange.openlineage_transport import Event
    from deriva_ml.interchange.run_crate import RunFiles

    from ..base import DerivaML


def export_ro_crate(
    self: DerivaML,
    rid: str,
    destination: str | Path,
    *,
    files: RunFiles = "outputs",
    license: str | None = None,
) -> Path:
    """Write an execution, or a version of a dataset, as an RO-Crate.

    Args:
        rid: RID of an execution or of a dataset; ``RID@version`` for a version that is not current.
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        files: Whose files are copied, of an execution (see `Execution.to_ro_crate`); a dataset is
            always written with its files, except for ``none``.
        license: SPDX identifier or URL of the license.

    Raises:
        DerivaMLNotFoundError: There is no such row.
        DerivaMLValidationError: It is neither an execution nor a dataset, or `destination` exists.
        DerivaMLUnavailableError: A file cannot be reached, or `destination` cannot be written.
    """
    row, _, version = rid.partition("@")
    options: dict[str, Any] = {"license": license}
    if _table(self, row) == "Dataset":
        with_files = files != "none"
        dataset = self.lookup_dataset(row)
        return dataset.to_ro_crate(destination, version or None, materialize=with_files, **options)
    return self.lookup_execution(rid).to_ro_crate(destination, files=files, **options)


def export_openlineage(
    self: DerivaML,
    rid: str,
    path: str | Path | None = None,
    *,
    url: str | None = None,
    api_key: str | None = None,
    children: bool = False,
) -> list[Event]:
    """Tell OpenLineage of an execution (see `Execution.to_openlineage`)."""
    execution = self.lookup_execution(rid)
    return execution.to_openlineage(path, url=url, api_key=api_key, children=children)


def _table(ml: DerivaML, rid: str) -> str:
    """``Dataset`` or ``Execution``: what a RID names."""
    with translated():
        place = ml.rids.resolve(rid)
    table = place.table.name
    if place.table.schema != ml.ml_schema or table not in ("Dataset", "Execution"):
        raise DerivaMLValidationError(
            f"{rid!r} is a row of table {table!r}; an execution or a dataset is exported."
        )
    return table
