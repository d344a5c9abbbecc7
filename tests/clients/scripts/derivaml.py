"""A round of deriva-ml: a catalog, features, datasets, executions, a bag; its demonstration."""

import json
import os
import tempfile
from pathlib import Path

from deriva.core import DEFAULT_CREDENTIAL_FILE, format_credential, write_credential
from deriva.core.ermrest_model import Column, Schema, Table, builtin_types
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from derivaml_demo import demonstration
from told import GIVEN, tell

from deriva_ml import DerivaML, MLVocab
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition
from deriva_ml.dataset.aux_classes import DatasetSpec, VersionPart
from deriva_ml.schema import create_ml_catalog

place = Path(tempfile.mkdtemp(dir=Path(__file__).parent))
os.chdir(place)
write_credential(DEFAULT_CREDENTIAL_FILE, {GIVEN.host: format_credential(oauth2_token=GIVEN.token)})
# bdbag, which fetches the files of a bag, has a file of its own.
keychain = Path.home() / ".bdbag" / "keychain.json"
keychain.parent.mkdir(exist_ok=True)
parameters = {"token": GIVEN.token, "allow_redirects_with_token": "False"}
keychain.write_text(
    json.dumps([{"uri": f"{GIVEN.url}/", "auth_type": "bearer-token", "auth_params": parameters}])
)

# --- a catalog with a domain
catalog = create_ml_catalog(GIVEN.host, project_name="lab")
domain = catalog.getCatalogModel().create_schema(Schema.define("lab"))
subject = domain.create_table(Table.define("Subject", [Column.define("Name", builtin_types.text)]))
ml = DerivaML(
    GIVEN.host, catalog.catalog_id, domain_schema="lab", working_dir=str(place), use_minid=False
)
ml.create_asset(
    "Image", column_defs=[Column.define("Taken", builtin_types.date)], referenced_tables=[subject]
)
ml.create_vocabulary("Quality", "How good an image is")
for name in ("Good", "Bad"):
    ml.add_term("Quality", name, description=f"The image is {name.lower()}")
ml.add_term(MLVocab.workflow_type, "Analysis", description="An analysis", synonyms=["Study"])
ml.add_term("Dataset_Type", "Training", description="To learn from")
ml.add_dataset_element_type("Subject")
ml.add_dataset_element_type("Image")
ml.create_feature(
    "Image",
    "Quality",
    terms=["Quality"],
    optional=["Score"],
    metadata=[ColumnDefinition(name="Score", type=BuiltinTypes.float4, nullok=True)],
)
facts = {
    "schemas": sorted(ml.model.schemas),
    "terms": sorted(t.name for t in ml.list_vocabulary_terms("Quality")),
    "synonym": ml.lookup_term(MLVocab.workflow_type, "Study").name,
}

# --- an execution that uploads images, and a dataset of them
subjects = [
    row["RID"]
    for row in ml.pathBuilder.schemas["lab"].Subject.insert([{"Name": f"S{n}"} for n in range(3)])
]
workflow = ml.create_workflow("Import", "Analysis", description="Brings images in")
run = ml.create_execution(ExecutionConfiguration(workflow=workflow, description="Import images"))
with run.execute() as execution:
    for rid in subjects:
        file = execution.asset_file_path("Image", f"{rid}.txt", Subject=rid, Taken="2026-02-03")
        file.write_text(f"image of {rid}")
    dataset = execution.create_dataset(dataset_types=["Training"], description="All images")
uploaded = run.upload_execution_outputs()
images = ml.list_assets("Image")
ml.add_dataset_members(dataset, {"Image": [image["RID"] for image in images]})
first = ml.dataset_version(dataset)
second = ml.increment_dataset_version(dataset, VersionPart.major, description="For the paper")
facts |= {
    "workflow": [
        workflow.url.startswith("https://git.example.org/lab/analysis/blob/"),
        workflow.version,
    ],
    "uploaded": {name: len(files) for name, files in uploaded.items()},
    "images": sorted(
        [i["Filename"] == f"{i['Subject']}.txt", i["Taken"], i["Asset_Type"]] for i in images
    ),
    "versions": [str(first), str(second)],
    "history": [str(h.dataset_version) for h in ml.dataset_history(dataset)],
    "members": len(ml.list_dataset_members(dataset)["Image"]),
    "types": [d["Dataset_Type"] for d in ml.find_datasets()],
}

# --- an execution that uses the dataset, and writes features and a model
work = ml.create_execution(
    ExecutionConfiguration(
        datasets=[DatasetSpec(rid=dataset, version=second)],
        workflow=ml.create_workflow("Train", "Analysis"),
        description="Rate the images",
    )
)
Quality = ml.feature_record_class("Image", "Quality")
with work.execute() as execution:
    bag = execution.datasets[0]
    table = bag.get_table_as_dataframe("Image")
    execution.add_features(
        [
            Quality(Image=rid, Quality="Good" if n else "Bad", Score=n / 2)
            for n, rid in enumerate(sorted(table["RID"]))
        ]
    )
    model = execution.asset_file_path("Execution_Asset", "model.txt", asset_types=["Model_File"])
    model.write_text("weights")
work.upload_execution_outputs()
after = ml.increment_dataset_version(dataset, VersionPart.minor, description="With features")
rated = ml.download_dataset_bag(DatasetSpec(rid=dataset, version=after))
old = ml.download_dataset_bag(DatasetSpec(rid=dataset, version=second))
row = ml.retrieve_rid(work.execution_rid)
assets = ml.list_assets("Execution_Asset")
copy = work.download_asset(assets[0]["RID"], place, update_catalog=False)
facts |= {
    "bag": sorted(Path(name).read_text().startswith("image of ") for name in table["Filename"]),
    "subjects": len(bag.get_table_as_dataframe("Subject")),
    "features": sorted(
        [v["Quality"], v["Score"]] for v in ml.list_feature_values("Image", "Quality")
    ),
    "bag_features": len(list(rated.list_feature_values("Image", "Quality"))),
    "old_features": len(list(old.list_feature_values("Image", "Quality"))),
    "bag_images": len(rated.get_table_as_dataframe("Image")),
    "bag_path": str(rated.model.bag_path),
    "dataset": dataset,
    "status": row["Status"],
    "assets": [[a["Filename"], a["Asset_Type"]] for a in assets],
    "downloaded": Path(copy).read_text(),
    "cited": ml.cite(work.execution_rid).startswith(f"{GIVEN.url}/id/{catalog.catalog_id}/"),
    "users": [u["ID"] for u in ml.user_list()],
}
catalog.delete_ermrest_catalog(really=True)
tell(**facts, demonstration=demonstration())
