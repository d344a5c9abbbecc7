"""Make the demonstration catalog of the published deriva-ml, work with it, print what is there.

Usage: deriva_ml_demo.py HOST DIRECTORY (the home has the credential)
"""

import json
import os
import sys
from pathlib import Path

# It works in a temporary directory and would look for a git repository there.
os.environ["DERIVA_ML_WORKFLOW_URL"] = "https://lab.example/demo.py"
os.environ["DERIVA_ML_WORKFLOW_CHECKSUM"] = "27"
os.environ["DERIVA_ML_NOTEBOOK_PATH"] = __file__

from deriva_ml.demo_catalog import create_demo_catalog

from deriva_ml import DerivaML

host, directory = sys.argv[1:]
seen = {}
catalog = create_demo_catalog(
    host, populate=True, create_features=True, create_datasets=True, on_exit_delete=False
)
ml = DerivaML(host, catalog.catalog_id, working_dir=Path(directory))
seen["schemas"] = sorted(ml.model.schemas)
seen["vocabularies"] = sorted(t.name for t in ml.model.find_vocabularies())
seen["features"] = sorted(f.feature_name for f in ml.model.find_features("Image"))
datasets = list(ml.find_datasets())
seen["datasets"] = len(datasets)
seen["terms"] = sorted(t.name for t in ml.list_vocabulary_terms("Dataset_Type"))
paths = ml.pathBuilder
seen["executions"] = len(paths.schemas["deriva-ml"].Execution.entities().fetch())
seen["images"] = len(paths.schemas[ml.domain_schema].Image.entities().fetch())
catalog.delete_ermrest_catalog(really=True)
print(json.dumps(seen, default=str))
