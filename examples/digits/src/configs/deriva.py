"""Where the catalog is: this machine's own by default, a team's server by name."""

from hydra_zen import builds, store

from catalog import HOST, NAME
from deriva_ml import DerivaMLConfig

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)

deriva_store = store(group="deriva_ml")
deriva_store(
    DerivaMLConf(
        hostname=HOST,
        catalog_id=NAME,
        domain_schema=NAME,
    ),
    name="default_deriva",
    zen_meta={"description": "The catalog `digits`, embedded here or where DIGITS_HOST says."},
)
