"""Other people's formats: RO-Crate, Croissant, OpenLineage and MLflow, written and read.

::

    dataset.to_ro_crate("pictures.zip", license="CC-BY-4.0")   # a bag that describes itself
    ml.export_ro_crate(execution_rid, "run")                   # a Workflow Run RO-Crate
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core._lazy import lazy_names

if TYPE_CHECKING:
    from .croissant import croissant_description, write_croissant
    from .croissant_tables import table_files
    from .dataflow import DataflowRecorder
    from .openlineage import execution_events
    from .openlineage_transport import FileTransport, HttpTransport
    from .ro_crate import dataset_crate, write_ro_crate
    from .run_crate import export_ro_crate

__all__ = [
    "DataflowRecorder",
    "FileTransport",
    "HttpTransport",
    "croissant_description",
    "dataset_crate",
    "execution_events",
    "export_ro_crate",
    "table_files",
    "write_croissant",
    "write_ro_crate",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".croissant": ("croissant_description", "write_croissant"),
        ".croissant_tables": ("table_files",),
        ".dataflow": ("DataflowRecorder",),
        ".openlineage": ("execution_events",),
        ".openlineage_transport": ("FileTransport", "HttpTransport"),
        ".ro_crate": ("dataset_crate", "write_ro_crate"),
        ".run_crate": ("export_ro_crate",),
    },
)
