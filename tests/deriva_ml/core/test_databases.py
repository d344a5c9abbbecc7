"""DerivaML on a catalog in a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

import pytest

import postgres
from deriva_ml import DerivaML
from deriva_ml.schema import create_ml_catalog


def test_a_catalog_in_a_database_is_used_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    with postgres.database() as database:
        url = database.url.replace("postgres:@", "postgres:secret@")
        create_ml_catalog(url, "cells").close()  # type: ignore[attr-defined]
        ml = DerivaML(url, "cells")
        assert ml.catalog_id == "1"
        ml.add_term("Dataset_Type", "Images", description="pictures")
        assert [t.name for t in ml.list_vocabulary_terms("Dataset_Type") if t.name == "Images"]
        term = ml.lookup_term("Dataset_Type", "Images")
        assert ml.cite(term.rid, current=True) == f"https://localhost/id/1/{term.rid}"
        assert "secret" not in f"{ml!r} {ml.host_name} {ml.working_dir}"
        ml.catalog.close()
