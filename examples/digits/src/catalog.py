"""The catalog of the digits: its tables, and what is said about an image."""

from __future__ import annotations

import os

from deriva_ml import ColumnDefinition, DerivaML
from deriva_ml.core.exceptions import DerivaMLNotFoundError
from deriva_ml.schema import create_ml_catalog

NAME = "digits"
HOST = os.environ.get("DIGITS_HOST", "localhost")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def open_catalog(host: str = HOST) -> DerivaML:
    """Connect to the project's catalog, with all of its tables; make what is missing.

    It is this machine's own, or on the server that the variable DIGITS_HOST names.
    """
    try:
        ml = DerivaML(host, NAME)
    except DerivaMLNotFoundError:
        create_ml_catalog(host, NAME, catalog_alias=NAME)
        ml = DerivaML(host, NAME)
    define_tables(ml)
    return ml


def define_tables(ml: DerivaML) -> None:
    """Define images, the ten digits, and what is said about an image."""
    if "Image" in {table.name for table in ml.list_asset_tables()}:
        return
    with ml.catalog.transaction():
        ml.create_vocabulary("Digit", "The ten digits")
        for digit, word in enumerate(WORDS):
            ml.add_term("Digit", str(digit), description=f"The digit {word}", synonyms=[word])
        ml.create_asset("Image", comment="Handwritten digits, 8 by 8 pixels, 8-bit grey")
        ml.create_feature("Image", "Label", terms=["Digit"], comment="What the writer wrote")
        confidence = ColumnDefinition(name="Confidence", type="float4")
        ml.create_feature(
            "Image",
            "Prediction",
            terms=["Digit"],
            metadata=[confidence],
            comment="What a model sees",
        )
        ml.add_dataset_element_type("Image")
