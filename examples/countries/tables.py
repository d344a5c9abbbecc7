"""The catalog of the example: three linked tables, and what people say about a country."""

from __future__ import annotations

import pandas as pd

from deriva_ml import (
    ColumnDefinition,
    DerivaML,
    Execution,
    ForeignKeyDefinition,
    TableDefinition,
)
from deriva_ml.schema import create_ml_catalog

QUANTITIES = {
    "life_expectancy": ("lifeExp", "Life expectancy at birth, in years"),
    "population": ("pop", "Number of people"),
    "income": ("gdpPercap", "Gross domestic product per person, in dollars of equal worth"),
}
LEVELS = ("low", "middle", "high")


def create(name: str) -> DerivaML:
    """Make the catalog: Country <- Survey <- Measurement, two vocabularies, three features."""
    create_ml_catalog("localhost", name).close()
    ml = DerivaML("localhost", name)
    ml.create_vocabulary("Quantity", "What is measured")
    for quantity, (_, meaning) in QUANTITIES.items():
        ml.add_term("Quantity", quantity, description=meaning)
    ml.create_vocabulary("Level", "How a country fares, compared with the others")
    for level in LEVELS:
        ml.add_term("Level", level, description=f"In the {level} third")

    ml.create_table(
        TableDefinition(
            "Country",
            [ColumnDefinition("Name", "text", nullok=False), ColumnDefinition("Continent", "text")],
        )
    )
    ml.create_table(
        TableDefinition(
            "Survey",
            [ColumnDefinition("Year", "int4"), ColumnDefinition("Country", "text", nullok=False)],
            foreign_keys=[ForeignKeyDefinition(("Country",), name, "Country", ("RID",))],
        )
    )
    ml.create_table(
        TableDefinition(
            "Measurement",
            [
                ColumnDefinition("Value", "float8"),
                ColumnDefinition("Quantity", "text", nullok=False),
                ColumnDefinition("Survey", "text", nullok=False),
            ],
            foreign_keys=[
                ForeignKeyDefinition(("Quantity",), name, "Quantity", ("Name",)),
                ForeignKeyDefinition(("Survey",), name, "Survey", ("RID",)),
            ],
        )
    )
    ml.add_dataset_element_type("Country")
    ml.create_feature("Country", "Judged", terms=["Level"], comment="What one judge says")
    ml.create_feature("Country", "Agreed", terms=["Level"], comment="What most judges say")
    ml.create_feature("Country", "Predicted", terms=["Level"], comment="What a model says")
    return ml


def load(ml: DerivaML, execution: Execution, frame: pd.DataFrame) -> None:
    """Insert the data, table by table, and put all countries in a dataset."""
    tables = ml.domain_path
    known = frame[["country", "continent"]].drop_duplicates()
    countries = tables["Country"].insert(
        [{"Name": name, "Continent": place} for name, place in known.itertuples(index=False)]
    )
    rids = {row["Name"]: row["RID"] for row in countries}
    surveys = tables["Survey"].insert(
        [
            {"Country": rids[name], "Year": int(year)}
            for name, year in frame[["country", "year"]].itertuples(index=False)
        ]
    )
    tables["Measurement"].insert(
        [
            {"Survey": survey["RID"], "Quantity": quantity, "Value": float(value)}
            for quantity, (column, _) in QUANTITIES.items()
            for survey, value in zip(surveys, frame[column], strict=True)
        ]
    )
    dataset = execution.create_dataset(["Complete"], description="All countries")
    dataset.add_dataset_members({"Country": list(rids.values())})
