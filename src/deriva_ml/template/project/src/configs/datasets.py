"""Which data: the dataset versions that `load.py` recorded in `datasets.json`, beside this file.

That file is committed, so that a version of the project says which data it ran on.
"""

import json
from pathlib import Path

from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import with_description
from hydra_zen import store

RECORD = Path(__file__).with_suffix(".json")

datasets_store = store(group="datasets")

if RECORD.exists():
    known = json.loads(RECORD.read_text())
    datasets_store(
        with_description(
            [DatasetSpecConfig(**known["split"])],
            "Pictures of rings and crosses, split by label into training and testing.",
        ),
        name="default_dataset",
    )
    datasets_store(
        with_description(
            [DatasetSpecConfig(**known["complete"])],
            "All pictures, with what was drawn; not split.",
        ),
        name="complete",
    )
else:
    datasets_store(
        with_description([], "No data yet: start 'python src/load.py'."),
        name="default_dataset",
    )
