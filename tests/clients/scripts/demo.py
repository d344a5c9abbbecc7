"""The demo catalog of deriva-ml."""
import logging
from told import GIVEN, tell
from deriva.core import DEFAULT_CREDENTIAL_FILE, format_credential, write_credential
write_credential(DEFAULT_CREDENTIAL_FILE, {GIVEN.host: format_credential(oauth2_token=GIVEN.token)})
from deriva_ml.demo_catalog import create_demo_catalog
c = create_demo_catalog(GIVEN.host, create_features=True, create_datasets=True, on_exit_delete=False)
tell(id=c.catalog_id)
