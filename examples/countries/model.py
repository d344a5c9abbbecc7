"""A small model: how a country will fare, predicted from the measurements of early decades."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from judges import surveys

from deriva_ml import DerivaML, Execution
from deriva_ml.dataset import DatasetBag


def early_years(bag: DatasetBag, until: int) -> pd.DataFrame:
    """Income (logarithm) and life expectancy of the surveys up to a year, a row for a country."""
    table = surveys(bag)
    table = table[table["Survey.Year"] <= until].assign(income=lambda t: np.log(t["income"]))
    return table.pivot(
        index="Country.RID", columns="Survey.Year", values=["income", "life_expectancy"]
    )


def levels(bag: DatasetBag) -> pd.Series:
    """What most judges say about each country."""
    values = bag.feature_values("Country", "Agreed")
    return pd.Series({value.Country: value.Level for value in values})


def train_and_test(ml: DerivaML, execution: Execution, until: int = 1972) -> float:
    """Learn the typical country of each level, and give each country of the test to the nearest.

    Returns:
        The share of the countries of the test whose level was predicted.
    """
    train, test = execution.datasets
    known, new = early_years(train, until), early_years(test, until)
    mean, spread = known.mean(), known.std()
    typical = ((known - mean) / spread).groupby(levels(train)).mean()
    distances = pd.DataFrame(
        {
            level: (((new - mean) / spread - place) ** 2).sum(axis="columns")
            for level, place in typical.iterrows()
        }
    )
    predicted = distances.idxmin(axis="columns")
    accuracy = float((predicted == levels(test).reindex(predicted.index)).mean())

    record = ml.feature_record_class("Country", "Predicted")
    execution.add_features([record(Country=rid, Level=level) for rid, level in predicted.items()])
    metrics = execution.metrics_file()
    metrics.write_text(json.dumps({"until": until, "test_accuracy": accuracy}) + "\n")
    return accuracy
