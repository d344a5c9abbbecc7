"""Where the catalog is: this machine's own by default, a team's server by name."""

from deriva_ml import DerivaMLConfig
from hydra_zen import builds, store

from catalog import NAME, SCHEMA

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)

deriva_store = store(group="deriva_ml")
deriva_store(
    DerivaMLConf(hostname="localhost", catalog_id=NAME, domain_schema=SCHEMA),
    name="default_deriva",
    zen_meta={"description": "The catalog of this machine."},
)
deriva_store(
    DerivaMLConf(hostname="http://localhost:8080", catalog_id=NAME, domain_schema=SCHEMA),
    name="server",
    zen_meta={"description": "The catalog of the team's server."},
)
