"""Which data: the dataset versions that loading recorded in `datasets.json`, beside the catalogs.

A project whose data are already in a catalog writes RIDs and versions here as literals.
"""

import json
import os
from pathlib import Path

from hydra_zen import store

from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import with_description

RECORD = Path(os.environ.get("DERIVA_ML_HOME", ".")) / "datasets.json"

datasets_store = store(group="datasets")

if RECORD.exists():
    known = json.loads(RECORD.read_text())
    datasets_store(
        with_description(
            [DatasetSpecConfig(**known["split"])],
            "Handwritten digits, 8 by 8 pixels, split 80/20 by label into training and testing.",
        ),
        name="default_dataset",
    )
    datasets_store(
        with_description(
            [DatasetSpecConfig(**known["complete"])],
            "All handwritten digits, with ground truth; not split.",
        ),
        name="complete",
    )
else:
    datasets_store(
        with_description([], "No data yet: run demo.py, which loads and splits the digits."),
        name="default_dataset",
    )
