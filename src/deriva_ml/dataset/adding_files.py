"""Files that stay where they are, as datasets: methods of `Datasets`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_ml.core.exceptions import translated
from deriva_ml.core.filespec import FileSpec
from deriva_ml.core.provenance import producer

from .files import files_to_add, list_files, write_files
from .history import FIRST_VERSION
from .usage import record_inputs

if TYPE_CHECKING:
    from .collection import Datasets
    from .dataset import Dataset

__all__ = ["add_files", "files"]


@translated()
def add_files(
    self: Datasets,
    files: Iterable[FileSpec | Mapping[str, Any]],
    execution_rid: str | None = None,
    dataset_types: str | Iterable[str] | None = None,
    description: str = "",
    chunk_size: int = 500,
    root_name: str | None = None,
) -> Dataset:
    """Describe files in the catalog, and make a dataset of each of their directories.

    The datasets are nested like the directories; the one of the top directory is returned
    and becomes an input of the execution. A file that the catalog knows by its URL is not
    described again. All of it is one transaction.

    Args:
        self: The datasets.
        files: The files, as `FileSpec.create_filespecs` gives them.
        execution_rid: The execution that the datasets are attributed to.
        dataset_types: Further types of the datasets, besides ``File`` and ``Directory``.
        description: Of the top dataset.
        chunk_size: How many rows go into one statement.
        root_name: What the top directory is called; None means its own name.

    Raises:
        DerivaMLValidationError: There are no files, or one has other content than the
            catalog or another of them says.
        DerivaMLInvalidTerm: A type is unknown.
        DerivaMLNotFoundError: There is no such execution.
    """
    from .dataset import Dataset

    add = files_to_add(self._vocabularies, files, dataset_types, description, chunk_size, root_name)
    call = self._once(execution_rid, "add_files", add.told())
    if call.rid is not None:
        return Dataset(self, call.rid, execution_rid=execution_rid)
    with self.session.transaction() as transaction:
        execution = producer(self.session, execution_rid)
        rid = write_files(
            self.session,
            self._vocabularies,
            add,
            execution,
            transaction.snaptime,
            call.take(self.session),
        )
        if execution_rid is not None:
            inputs = [(rid, FIRST_VERSION)]
            record_inputs(self.session, self._versions, execution_rid, inputs)
    return Dataset(self, rid, execution_rid=execution)


@translated()
def files(self: Datasets, file_types: str | Iterable[str] | None = None) -> list[Row]:
    """The files that stay where they are (see `deriva_ml.dataset.files.list_files`)."""
    return list_files(self.session, self._vocabularies, file_types)
