"""The model: definitions, changes, annotations, rights, and taking it down again."""

from deriva.core.ermrest_model import (
    Column,
    ForeignKey,
    Key,
    Schema,
    Table,
    UpdateMappings,
    builtin_types,
    find_tables_with_foreign_keys,
    tag,
)
from told import GIVEN, OTHERS, outcome, server, tell

catalog = server().create_ermrest_catalog()
model = catalog.getCatalogModel()
facts = {"schemas": sorted(model.schemas), "public": sorted(model.schemas["public"].tables)}

# --- definitions
lab = model.create_schema(Schema.define("lab", comment="A lab"))
site = lab.create_table(
    Table.define_vocabulary("Site", "LAB:{RID}", "https://example.org/id/{RID}")
)
subject = lab.create_table(
    Table.define(
        "Subject",
        [
            Column.define("code", builtin_types.text, nullok=False, comment="Its code"),
            Column.define("born", builtin_types.date),
            Column.define("weight", builtin_types.float4, default=1.5),
            ("site", True, site),
        ],
        key_defs=[Key.define(["code"], constraint_name="Subject_code_is_unique")],
        comment="Who is studied",
    )
)
scan = lab.create_table(Table.define_asset("lab", "Scan", column_defs=[("subject", subject)]))
linked = lab.create_table(Table.define_association([subject, scan]))
lab.create_table(
    Table.define_association(
        [("who", subject), ("where", site)],
        metadata=[Column.define("on", builtin_types.date)],
        table_name="Visit",
    )
)
page = lab.create_table(Table.define_page("Page"))
every = lab.create_table(
    Table.define(
        "Every",
        [
            Column.define(f"c_{name}", kind)
            for name, kind in sorted(builtin_types.items())
            if not name.startswith(("ermrest_", "serial")) and not name.endswith("[]")
        ]
        + [Column.define("c_serial", builtin_types.serial4, nullok=False)],
    )
)
fresh = catalog.getCatalogModel()
again = fresh.schemas["lab"].tables
facts |= {
    "tables": sorted(again),
    "types": sorted(c.type.typename for c in again["Every"].columns if c.name.startswith("c_")),
    "known_types": len([c for c in every.columns if c.name.startswith("c_")]),
    "vocabulary": {c.name: [c.nullok, c.default] for c in again["Site"].columns},
    "keys": sorted(k.constraint_name for k in again["Subject"].keys),
    "references": sorted(
        (f.constraint_name, f.pk_table.name, f.on_update, f.on_delete)
        for f in again["Subject"].foreign_keys
    ),
    "asset": again["Scan"].columns["URL"].annotations[tag.asset]["url_pattern"],
    "association": [linked.name, again[linked.name].is_association()],
    "found": sorted(a.table.name for a in again["Subject"].find_associations(pure=False)),
    "impure": again["Visit"].is_association(pure=False),
    "referencing": sorted(t.name for t in find_tables_with_foreign_keys([again["Subject"]])),
    "comment": [again["Subject"].comment, again["Subject"].columns["code"].comment],
    "same_document": again["Subject"].prejson() == subject.prejson(),
}
term = catalog.getPathBuilder().lab.Site.insert(
    [{"Name": "North", "Description": "d"}], defaults={"ID", "URI"}
)[0]
facts["term"] = [
    term["ID"] == f"LAB:{term['RID']}",
    term["URI"] == f"https://example.org/id/{term['RID']}",
    term["Synonyms"],
]

# --- changes
snapshot = catalog.latest_snapshot()
height = subject.create_column(Column.define("height", builtin_types.int4, default=3))
subject.create_key(Key.define(["code", "born"], comment="both"))
subject.create_fkey(ForeignKey.define(["code"], "lab", "Site", ["Name"]))
reference = scan.create_reference(("reader", True, site))
subject.annotations[tag.visible_columns] = {"*": ["code", ["lab", "Subject_code_is_unique"]]}
subject.annotations[tag.display] = {"name": "Subjects"}
subject.columns["code"].annotations[tag.display] = {"name": "Code"}
subject.keys[0].annotations["tag:example.org,2026:k"] = None
model.annotations["tag:example.org,2026:catalog"] = ["a", {"b": 1}]
lab.acls["select"] = [GIVEN.other]
subject.acls["insert"] = [GIVEN.other]
subject.acl_bindings["mine"] = {
    "types": ["update"],
    "projection": ["RCB"],
    "projection_type": "acl",
    "scope_acl": ["*"],
}
model.acls["enumerate"] = ["*"]
model.apply()
subject.columns["code"].alter(
    name="id number", comment="now with a blank", update_mappings="immediate"
)
subject.columns["weight"].alter(type=builtin_types.float8, nullok=False, default=2.5)
subject.key_by_columns(["id number"]).alter(
    constraint_name="Subject_number", update_mappings=UpdateMappings.immediate
)
whose, *_ = scan.fkeys_by_columns(["subject"], partial=True)
whose.alter(on_delete="CASCADE", comment="goes along")
subject.alter(table_name="Person", comment="renamed")
lab.alter(schema_name="clinic", update_mappings=UpdateMappings.immediate)
lab.alter(comment="moved")
archive = model.create_schema(Schema.define("archive"))
page.alter(schema_name="archive")
changed = catalog.getCatalogModel()
person = changed.table("clinic", "Person")
facts |= {
    "created": [height.name, height.default, [c.name for c in reference[0]]],
    "annotation": changed.annotations["tag:example.org,2026:catalog"],
    "column_annotation": person.columns["id number"].annotations[tag.display],
    "remapped": person.annotations[tag.visible_columns],
    "altered": [
        person.columns["weight"].type.typename,
        person.columns["weight"].nullok,
        person.columns["weight"].default,
        person.columns["id number"].comment,
    ],
    "renamed": [person.comment, changed.schemas["clinic"].comment, sorted(changed.schemas)],
    "moved": sorted(changed.schemas["archive"].tables),
    "action": [
        [f.on_delete, f.comment]
        for f in changed.table("clinic", "Scan").foreign_keys
        if f.pk_table.name == "Person"
    ],
    "acls": [changed.schemas["clinic"].acls, person.acls, changed.acls["enumerate"]],
    "binding": person.acl_bindings["mine"],
    "then": sorted(snapshot.getCatalogModel().schemas["lab"].tables["Subject"].columns.elements),
}
visible = server(OTHERS).connect_ermrest(catalog.catalog_id).getCatalogModel()
facts["others_see"] = [
    visible.schemas["clinic"].tables["Person"].acls,
    outcome(visible.create_schema, Schema.define("x")),
]

# --- a model from a file of its own, and nothing to apply twice
same = catalog.getCatalogModel()
before = catalog.get("/").json()["snaptime"]
same.apply()
facts["nothing_applied"] = catalog.get("/").json()["snaptime"] == before

# --- and down again
person.columns["height"].drop()
person.columns["id number"].drop(cascade=True)
changed.table("clinic", "Site").drop(cascade=True)
changed.schemas["clinic"].drop(cascade=True)
changed.schemas["archive"].drop(cascade=True)
model = catalog.getCatalogModel()
facts["left"] = sorted(model.schemas)
model.configure_baseline_catalog(headTitle="A lab")
baseline = catalog.getCatalogModel()
facts |= {
    "www": sorted(baseline.schemas["WWW"].tables),
    "title": baseline.annotations[tag.chaise_config]["headTitle"],
}
baseline.clear(clear_acls=False)
baseline.apply()
facts["cleared"] = catalog.getCatalogModel().annotations
tell(**facts)
