"""The demonstration catalog of deriva-ml."""

from pathlib import Path

from told import GIVEN

from deriva_ml import DerivaML
from deriva_ml.demo_catalog import create_demo_catalog


def demonstration():
    """Make the catalog, and what it shows of itself; it is deleted then."""
    catalog = create_demo_catalog(
        GIVEN.host, create_features=True, create_datasets=True, on_exit_delete=False
    )
    ml = DerivaML(GIVEN.host, catalog.catalog_id, working_dir=Path.home() / "work")
    paths = ml.pathBuilder
    facts = {
        "schemas": sorted(ml.model.schemas),
        "vocabularies": sorted(t.name for t in ml.model.find_vocabularies()),
        "features": sorted(f.feature_name for f in ml.model.find_features("Image")),
        "datasets": len(list(ml.find_datasets())),
        "terms": sorted(t.name for t in ml.list_vocabulary_terms("Dataset_Type")),
        "executions": len(paths.schemas["deriva-ml"].Execution.entities().fetch()),
        "images": len(paths.schemas[ml.domain_schema].Image.entities().fetch()),
    }
    catalog.delete_ermrest_catalog(really=True)
    return facts
