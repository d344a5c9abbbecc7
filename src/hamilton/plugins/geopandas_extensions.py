"""GeoPandas: its frames, which are those of pandas and more."""

from __future__ import annotations

import geopandas

from hamilton import registry

__all__ = ["COLUMN_TYPE", "DATAFRAME_TYPE"]

DATAFRAME_TYPE = geopandas.GeoDataFrame
COLUMN_TYPE = geopandas.GeoSeries

# Columns are taken and filled as those of pandas, whose classes these derive from.
registry.load_extension("pandas")
registry.register_types("geopandas", DATAFRAME_TYPE, COLUMN_TYPE)
