"""The published deriva-ml, with its schema and its demonstration, on our service."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Foreign

pytestmark = pytest.mark.slow


def test_it_makes_its_schema_and_works_with_it(foreign: Foreign, tmp_path: Path) -> None:
    seen = foreign.run("deriva-ml", "deriva_ml_demo.py", tmp_path / "home", tmp_path / "work")
    assert seen == {
        "schemas": ["WWW", "demo-schema", "deriva-ml", "public"],
        "vocabularies": [
            "Asset_Role",
            "Asset_Type",
            "Dataset_Type",
            "Feature_Name",
            "ImageQuality",
            "SubjectHealth",
            "Workflow_Type",
        ],
        "features": ["BoundingBox", "Quality"],
        "datasets": 7,
        "terms": ["Complete", "File", "Testing", "Training"],
        "executions": 3,
        "images": 12,
    }
