"""Catalogs, aliases, snapshots and a clone."""

from deriva.core import ErmrestSnapshot
from deriva.core.ermrest_model import Column, ForeignKey, Key, Schema, Table, builtin_types
from told import GIVEN, OTHERS, outcome, server, tell

mine = server()
catalog = mine.create_ermrest_catalog(name="First", description="A catalog to try things in")
named = mine.create_ermrest_catalog(
    id=f"named-{catalog.catalog_id}", owner=[GIVEN.client, GIVEN.other], is_persistent=False
)
document = named.get("/").json()
facts = {
    "exists": catalog.exists(),
    "absent": mine.connect_ermrest("no-such-catalog").exists(),
    "named": document["id"],
    "owners": sorted(document["acls"]["owner"]),
    "persistent": document["is_persistent"],
    "name": catalog.get("/").json()["name"],
    "anonymous": outcome(server(None).create_ermrest_catalog),
    "taken": outcome(mine.create_ermrest_catalog, id=named.catalog_id),
    "taken_by_another": outcome(server(OTHERS).create_ermrest_catalog, id=catalog.catalog_id),
    "locked_out": outcome(mine.create_ermrest_catalog, owner=[GIVEN.other]),
}

# Aliases.
alias = mine.create_ermrest_alias(
    id=f"alias-{catalog.catalog_id}", alias_target=catalog.catalog_id, name="Alias"
)
through = mine.connect_ermrest(alias.alias_id)
facts |= {
    "alias": alias.retrieve(),
    "through": [through.get("/").json()["id"], through.alias_target == catalog.catalog_id],
    "retargeted": alias.update(alias_target=named.catalog_id)["alias_target"] == named.catalog_id,
}
state = alias.retrieve()
state.update(owner=[GIVEN.client, GIVEN.other])
for extra in ("name", "description"):
    state.pop(extra, None)
alias.update(**state)
facts["alias_owner"] = sorted(alias.retrieve()["owner"])
alias.update(alias_target=None)
facts["unbound"] = outcome(through.get, "/")
alias.delete_ermrest_alias(really=True)
facts["alias_gone"] = outcome(alias.retrieve)

# A catalog with rows, annotations and rights, and its clone.
model = catalog.getCatalogModel()
schema = model.create_schema(Schema.define("lab", comment="A lab", annotations={"tag:x,2026:a": 1}))
subject = schema.create_table(
    Table.define(
        "Subject",
        [
            Column.define("name", builtin_types.text, nullok=False),
            Column.define("tags", builtin_types["text[]"]),
            Column.define("more", builtin_types.jsonb),
            Column.define("seen", builtin_types.timestamptz),
            Column.define("level", builtin_types.float8),
        ],
        key_defs=[Key.define(["name"])],
        acls={"select": ["*"]},
    )
)
schema.create_table(
    Table.define(
        "Image",
        [
            Column.define("subject", builtin_types.text),
            Column.define(
                "url", builtin_types.text, annotations={"tag:x,2026:b": {"c": [1, None]}}
            ),
        ],
        fkey_defs=[
            ForeignKey.define(
                ["subject"], "lab", "Subject", ["RID"], on_delete="CASCADE", comment="whose"
            )
        ],
        acl_bindings={
            "whose": {
                "types": ["update", "delete"],
                "projection": ["RCB"],
                "projection_type": "acl",
            }
        },
    )
)
before = catalog.latest_snapshot()
lab = catalog.getPathBuilder().lab
people = list(
    lab.Subject.insert(
        [
            {
                "name": f"s{n:03}",
                "tags": ["a", 'b "c"', None],
                "more": {"n": [n, None, "x"]},
                "seen": "2026-01-02T03:04:05.670001+00:00",
                "level": n / 8,
            }
            for n in range(30)
        ]
    )
)
lab.Image.insert([{"subject": p["RID"], "url": f"/hatrac/{p['name']}"} for p in people])
empty = mine.create_ermrest_catalog(name="The clone", clone_source=catalog.catalog_id)
clone_began = empty.latest_snapshot().snaptime
clone = catalog.clone_catalog(dst_catalog=empty)
origin, copy = catalog.getCatalogModel(), clone.getCatalogModel()
columns = "RID", "RCT", "RCB", "name", "tags", "more", "seen", "level"


def rows(cat):
    found = cat.get("/entity/lab:Subject@sort(RID)").json()
    return [{name: row[name] for name in columns} for row in found]


facts |= {
    "clone_source": clone.get("/").json()["clone_source"] == catalog.catalog_id,
    "clone_rows": rows(catalog) == rows(clone) and len(rows(clone)) == 30,
    "clone_images": len(clone.get("/entity/lab:Image/lab:Subject").json()),
    "clone_comment": copy.schemas["lab"].comment,
    "clone_schema_annotation": copy.schemas["lab"].annotations["tag:x,2026:a"],
    "clone_annotation": copy.column("lab", "Image", "url").annotations["tag:x,2026:b"],
    "clone_acls": copy.table("lab", "Subject").acls,
    "clone_bindings": sorted(copy.table("lab", "Image").acl_bindings),
    "clone_fkey": [
        f.on_delete
        for f in copy.table("lab", "Image").foreign_keys
        if "subject" in f.constraint_name
    ],
    "clone_past": outcome(mine.connect_ermrest(clone.catalog_id, clone_began).get, "/schema"),
}

# Snapshots.
facts |= {
    "snapshot": isinstance(before, ErmrestSnapshot),
    "rows_before": len(before.get("/entity/lab:Subject").json()),
    "rows_now": len(catalog.latest_snapshot().get("/entity/lab:Subject").json()),
    "joined_id": mine.connect_ermrest(f"{catalog.catalog_id}@{before.snaptime}").snaptime
    == before.snaptime,
}
for victim in (clone, named):
    victim.delete_ermrest_catalog(really=True)
facts |= {
    "deleted": clone.exists(),
    "not_again": outcome(mine.create_ermrest_catalog, id=named.catalog_id),
    "not_mine": outcome(
        server(OTHERS).connect_ermrest(catalog.catalog_id).delete_ermrest_catalog, really=True
    ),
}
tell(**facts)
