"""Bringing data in from elsewhere as a dataset: directories, tables, image folders, DVC.

::

    result = import_image_folder(ml, "pets", "Picture")     # train/cat/1.png, test/dog/7.png ...
    result.dataset.list_dataset_members(recurse=True)

Each import is an execution, so the catalog knows what came from where. What is imported again
is recognised by its content: nothing is written then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml.core._lazy import lazy_names

if TYPE_CHECKING:
    from .directory import import_directory
    from .dvc import import_dvc
    from .image_folder import import_image_folder
    from .result import ImportResult
    from .table import import_table

__all__ = [
    "ImportResult",
    "import_directory",
    "import_dvc",
    "import_image_folder",
    "import_table",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".directory": ("import_directory",),
        ".dvc": ("import_dvc",),
        ".image_folder": ("import_image_folder",),
        ".result": ("ImportResult",),
        ".table": ("import_table",),
    },
)
