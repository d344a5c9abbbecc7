"""Make and change a model as deriva-py does; prints what was seen as JSON.

Usage: deriva_model.py HOST TOKEN
"""

import json
import sys

from deriva.core import DerivaServer
from deriva.core import ermrest_model as em

host, token = sys.argv[1:]
seen = {}
server = DerivaServer("https", host, credentials={"bearer-token": token})
seen["session"] = server.get_authn_session().json()["client"]["id"]

catalog = server.create_ermrest_catalog(name="zoo", description="animals")
seen["exists"] = catalog.exists()
model = catalog.getCatalogModel()
seen["features"] = sorted(name for name, has in catalog.get("/").json()["features"].items() if has)
before = catalog.latest_snapshot().snaptime

zoo = model.create_schema(em.Schema.define("zoo", comment="animals"))
species = zoo.create_table(
    em.Table.define(
        "Species",
        [
            em.Column.define("name", em.builtin_types.text, nullok=False),
            em.Column.define("legs", em.builtin_types.int4, default=4, comment="how many"),
            em.Column.define("tags", em.builtin_types["text[]"]),
        ],
        key_defs=[em.Key.define(["name"], constraint_name="species_name")],
        comment="kinds",
    )
)
animal = zoo.create_table(
    em.Table.define(
        "Animal",
        [
            em.Column.define("species", em.builtin_types.text),
            em.Column.define("weight", em.builtin_types.float8),
        ],
        fkey_defs=[em.ForeignKey.define(["species"], "zoo", "Species", ["name"])],
    )
)
food = zoo.create_table(em.Table.define_vocabulary("Food", "ZOO:{RID}"))
photo = zoo.create_table(em.Table.define_asset("zoo", "Photo"))
seen["vocabulary"] = sorted(c.name for c in food.column_definitions)
seen["asset"] = sorted(c.name for c in photo.column_definitions)
eats = animal.create_reference(food)
pages = zoo.create_table(em.Table.define_association([animal, food]))
seen["association"] = (pages.name, pages.is_association())

length = animal.create_column(em.Column.define("length", em.builtin_types.float4))
key = animal.create_key(em.Key.define(["weight", "length"]))
seen["key"] = key.constraint_name
key.drop()
fkey = animal.foreign_keys[(zoo, "Animal_species_fkey")]
fkey.alter(on_delete="CASCADE", comment="what it is")
seen["fkey"] = (fkey.on_delete, [c.name for c in fkey.referenced_columns])

length.alter(name="size", type=em.builtin_types.text, nullok=True, comment="as told")
species.alter(table_name="Kind")
zoo.alter(schema_name="park")
model = catalog.getCatalogModel()
animal = model.schemas["park"].tables["Animal"]
seen["renamed"] = sorted(model.schemas["park"].tables)
seen["size"] = (animal.columns["size"].type.typename, animal.columns["size"].comment)
seen["follows"] = [f.pk_table.name for f in animal.foreign_keys if f.pk_table.name == "Kind"]

model.annotations["tag:example.org,2026:whole"] = {"a": [1, None]}
model.schemas["park"].display.name_style = {"title_case": True}
animal.visible_columns["*"] = ["RID", "species"]
animal.columns["weight"].annotations["tag:example.org,2026:unit"] = "kg"
animal.comment = "single ones"
model.acls["select"] = ["*"]
model.acls["enumerate"] = ["*"]
animal.acls["insert"] = ["https://lab.example/staff"]
animal.acl_bindings["own"] = {
    "types": ["update"],
    "projection": ["RCB"],
    "projection_type": "acl",
    "scope_acl": ["*"],
}
animal.columns["weight"].acls["update"] = []
model.apply()
again = catalog.getCatalogModel()
table = again.schemas["park"].tables["Animal"]
seen["annotations"] = {
    "catalog": again.annotations["tag:example.org,2026:whole"],
    "schema": again.schemas["park"].annotations["tag:misd.isi.edu,2015:display"],
    "table": table.annotations["tag:isrd.isi.edu,2016:visible-columns"],
    "column": dict(table.columns["weight"].annotations),
    "comment": table.comment,
}
seen["acls"] = (dict(table.acls), dict(table.acl_bindings), again.acls["select"])

table.columns["size"].drop()
again.schemas["park"].tables["Photo"].drop()
seen["past"] = sorted(server.connect_ermrest(catalog.catalog_id, before).getCatalogModel().schemas)
again.schemas["park"].drop(cascade=True)
seen["left"] = sorted(catalog.getCatalogModel().schemas)
catalog.delete_ermrest_catalog(really=True)
seen["deleted"] = not catalog.exists()
print(json.dumps(seen))
