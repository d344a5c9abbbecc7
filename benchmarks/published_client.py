"""What deriva-ml 1.17.10 takes for the work of `published`; run by its own Python.

Its only argument is JSON: where the service is, the catalog, and how many rows there are. The last
line that it prints is the seconds of each part.
"""

import json
import sys
import tempfile
import time

from deriva.core import DEFAULT_CREDENTIAL_FILE, format_credential, write_credential

from deriva_ml import DerivaML

given = json.loads(sys.argv[1])
write_credential(
    DEFAULT_CREDENTIAL_FILE, {given["host"]: format_credential(oauth2_token=given["token"])}
)
ml = DerivaML(
    given["host"],
    given["catalog"],
    domain_schema="lab",
    working_dir=tempfile.mkdtemp(),
    use_minid=False,
)
taken = {}


def timed(name, work):
    """Do the work, and note how long it took."""
    begun = time.perf_counter()
    result = work()
    taken[name] = time.perf_counter() - begun
    return result


def create():
    """Make a dataset of all images."""
    dataset = ml.create_dataset(["Training"], description="Theirs")
    ml.add_dataset_members(dataset, {"Image": given["images"]}, validate=False)
    return dataset


dataset = timed("create", create)
members = timed("members", lambda: ml.list_dataset_members(dataset))
assert len(members["Image"]) == len(given["images"])
assets = timed("assets", lambda: ml.list_assets("Image"))
assert len(assets) == len(given["images"])
values = timed("values", lambda: list(ml.list_feature_values("Image", "Score")))
assert len(values) == len(given["images"])
taken["frame"] = taken["values"]  # it has no frames; a list of rows is what there is
print()
print(json.dumps(taken))
