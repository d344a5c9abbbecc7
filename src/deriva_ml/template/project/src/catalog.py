"""The catalog of the project: its tables, and what can be said about their rows.

Start this file to make the catalog. It changes nothing that is already there.
"""

from __future__ import annotations

import argparse

from deriva_ml import ColumnDefinition, DerivaML
from deriva_ml.core.exceptions import DerivaMLNotFoundError
from deriva_ml.schema import create_ml_catalog

NAME = "PROJECT_NAME"
SCHEMA = "PROJECT_SCHEMA"
SHAPES = {"ring": "A line that closes", "cross": "Two lines that meet"}


def open_catalog(host: str = "localhost") -> DerivaML:
    """Connect to the project's catalog, with all of its tables; make what is missing."""
    try:
        ml = DerivaML(host, NAME)
    except DerivaMLNotFoundError:
        create_ml_catalog(host, SCHEMA, catalog_alias=NAME).close()
        ml = DerivaML(host, NAME)
    define_tables(ml)
    return ml


def define_tables(ml: DerivaML) -> None:
    """Define pictures, the shapes there are, and what people and models say about a picture."""
    if "Picture" in {table.name for table in ml.list_asset_tables()}:
        return
    with ml.catalog.transaction():
        ml.create_vocabulary("Shape", "What a picture can show")
        for shape, meaning in SHAPES.items():
            ml.add_term("Shape", shape, description=meaning)
        ml.create_asset("Picture", comment="Pictures of 8 by 8 numbers, 0 is dark and 1 is bright")
        ml.create_feature("Picture", "Label", terms=["Shape"], comment="What was drawn")
        confidence = ColumnDefinition(name="Confidence", type="float4")
        ml.create_feature(
            "Picture",
            "Prediction",
            terms=["Shape"],
            metadata=[confidence],
            comment="What a model sees",
        )
        ml.add_dataset_element_type("Picture")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the catalog of the project.")
    parser.add_argument("--host", default="localhost", help="this machine, or a server")
    catalog = open_catalog(parser.parse_args().host)
    print("The catalog is", catalog.catalog.url)
