"""Where the catalog is: this machine's own by default, a team's server by name."""

import os

from hydra_zen import builds, store

from deriva_ml import DerivaMLConfig

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)

deriva_store = store(group="deriva_ml")
deriva_store(
    DerivaMLConf(
        hostname=os.environ.get("DIGITS_HOST", "localhost"),
        catalog_id="digits",
        domain_schema="digits",
    ),
    name="default_deriva",
    zen_meta={"description": "The catalog `digits`, embedded here or where DIGITS_HOST says."},
)
