"""Three judges who say how each country fares, and who do not always agree."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from tables import LEVELS

from deriva_ml import DerivaML, Execution, FeatureRecord
from deriva_ml.interfaces import DatasetLike

Judge = Callable[[pd.DataFrame], pd.Series]


def surveys(dataset: DatasetLike) -> pd.DataFrame:
    """One row for each survey of the dataset, with a column for each quantity.

    The wide table has one row for each measurement, beside its survey and its country. It is the
    same whether the dataset is one of the catalog or a bag.
    """
    wide = dataset.get_denormalized_as_dataframe(["Measurement", "Survey", "Country"])
    return wide.pivot(
        index=["Country.RID", "Country.Name", "Survey.Year"],
        columns="Measurement.Quantity",
        values="Measurement.Value",
    ).reset_index()


def richest(table: pd.DataFrame) -> pd.Series:
    """Judges by the income in the last survey."""
    return _last(table)["income"]


def oldest(table: pd.DataFrame) -> pd.Series:
    """Judges by the life expectancy in the last survey."""
    return _last(table)["life_expectancy"]


def most_improved(table: pd.DataFrame) -> pd.Series:
    """Judges by the years of life that were gained between the first and the last survey."""
    first = table.sort_values("Survey.Year").groupby("Country.RID").first()
    return _last(table)["life_expectancy"] - first["life_expectancy"]


JUDGES: tuple[Judge, ...] = (richest, oldest, most_improved)


def _last(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("Survey.Year").groupby("Country.RID").last()


def judge(ml: DerivaML, execution: Execution, criterion: Judge) -> None:
    """Put each country of the input into the lower, middle or upper third by one criterion."""
    (bag,) = execution.datasets
    levels = pd.qcut(criterion(surveys(bag)), len(LEVELS), labels=list(LEVELS))
    record = ml.feature_record_class("Country", "Judged")
    execution.add_features([record(Country=rid, Level=str(level)) for rid, level in levels.items()])


def agree(ml: DerivaML, execution: Execution) -> None:
    """Let the majority of the judges decide; where they all differ, the latest one."""
    dataset = ml.lookup_dataset(execution.dataset_rids[0])
    vote = FeatureRecord.select_majority_vote("Level")
    record = ml.feature_record_class("Country", "Agreed")
    execution.add_features(
        [
            record(Country=judged.Country, Level=judged.Level)
            for judged in dataset.feature_values("Country", "Judged", selector=vote)
        ]
    )
