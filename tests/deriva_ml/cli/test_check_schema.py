"""The command that compares a catalog's ML schema with that of this release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deriva_catalog.interface import Address
from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML
from deriva_ml.cli.check_schema import main
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition


def test_a_catalog_with_tables_of_its_own_lacks_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--host", str(place)]) == 0
    assert not [x for x in capsys.readouterr().out.splitlines() if x.startswith(("-", "~"))]


def test_what_is_lacking_is_named(
    ml: DerivaML, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = ml.ml_schema
    ml.catalog.drop(Address(schema=schema, table="Execution", column="Description"))
    ml.catalog.drop(Address(schema=schema, table="Directory_Dataset"))
    ml.delete_term("Dataset_Type", "Unlabeled")
    cost = ColumnDefinition("Cost", BuiltinTypes.int4).to_dict()
    ml.catalog.create_column(TableName("Workflow", schema), cost)
    assert main(["--host", str(place)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert f"- column {schema}:Execution.Description" in told
    assert f"- table {schema}:Directory_Dataset" in told
    assert "- term Dataset_Type: Unlabeled" in told
    assert f"+ column {schema}:Workflow.Cost" in told
    assert main(["--host", str(place), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["complete"], found["missing_terms"]) == (False, ["Dataset_Type: Unlabeled"])


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--ml-schema", "ml"], "has no schema 'ml'"), (["--catalog", "7"], "7")],
)
def test_a_catalog_that_is_not_there_is_status_2(
    place: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(["--host", str(place), *more]) == 2
    assert said in capsys.readouterr().err
