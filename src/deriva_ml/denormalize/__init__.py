"""Wide tables: the rows of several linked tables as one table, online and offline alike.

`Dataset.get_denormalized_as_dataframe` and its relatives are the way in; the modules here plan
such a table (`request`, `grain`, `ways`, `plan`), find its rows (`scope`) and join them (`rows`,
`join`, `wide`), over any catalog.
"""

from .describe import describe, estimate_size, schema_paths
from .plan import Plan, make_plan
from .scope import anchors_of_dataset, anchors_of_rows
from .wide_table import (
    Source,
    WideTable,
    columns_of,
    feature_values,
    grain_rids,
    make_wide_table,
)

__all__ = [
    "Plan",
    "Source",
    "WideTable",
    "anchors_of_dataset",
    "anchors_of_rows",
    "columns_of",
    "describe",
    "estimate_size",
    "feature_values",
    "grain_rids",
    "make_plan",
    "make_wide_table",
    "schema_paths",
]
