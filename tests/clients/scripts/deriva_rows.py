"""Write and read rows as deriva-py does, by data paths and in files; prints JSON.

Usage: deriva_rows.py HOST TOKEN DIRECTORY
"""

import json
import sys
from pathlib import Path

from deriva.core import DerivaServer
from deriva.core import ermrest_model as em
from deriva.core.datapath import (
    ArrayD,
    Avg,
    Bin,
    Cnt,
    CntD,
    DataPathException,
    Max,
    Min,
)
from deriva.core.ermrest_catalog import ConcurrentUpdate, ResolveRidResult

host, token, directory = sys.argv[1:]
seen = {}
server = DerivaServer("https", host, credentials={"bearer-token": token})
catalog = server.create_ermrest_catalog()
model = catalog.getCatalogModel()
model.create_schema(em.Schema.define("zoo"))
zoo = model.schemas["zoo"]
zoo.create_table(
    em.Table.define(
        "Species",
        [
            em.Column.define("name", em.builtin_types.text, nullok=False),
            em.Column.define("legs", em.builtin_types.int4, default=4),
            em.Column.define("tags", em.builtin_types["text[]"]),
        ],
        key_defs=[em.Key.define(["name"])],
    )
)
zoo.create_table(
    em.Table.define(
        "Animal",
        [
            em.Column.define("species", em.builtin_types.text),
            em.Column.define("weight", em.builtin_types.float8),
            em.Column.define("born", em.builtin_types.timestamptz),
            em.Column.define("facts", em.builtin_types.jsonb),
        ],
        fkey_defs=[em.ForeignKey.define(["species"], "zoo", "Species", ["name"])],
    )
)

builder = catalog.getPathBuilder()
species, animal = builder.schemas["zoo"].tables["Species"], builder.zoo.Animal
rows = species.insert(
    [{"name": "owl", "legs": 2}, {"name": "cat"}, {"name": "a,b (c) 'd' é/%"}], defaults=["legs"]
)
seen["inserted"] = sorted((r["name"], r["legs"]) for r in rows)
many = [
    {"species": ["owl", "cat"][n % 2], "weight": n / 4, "facts": {"n": n}, "born": "2026-01-02"}
    for n in range(2500)
]
inserted = list(animal.insert(many))
seen["many"] = len(inserted)
odd = "a,b (c) 'd' é/%"
seen["odd"] = [r["legs"] for r in species.filter(species.name == odd).entities()]

heavy = animal.filter((animal.weight >= 100) & (animal.species == "owl"))
seen["heavy"] = len(heavy.entities())
path = species.link(animal).filter(animal.weight < 2)
seen["linked"] = sorted(
    {(r["name"]) for r in path.attributes(path.Species.name, animal.weight.alias("w"))}
)
a = animal.alias("A")
outer = species.alias("S").link(a, on=species.name == a.species, join_type="left")
outer.filter(a.RID == None)  # noqa: E711
outer.context = outer.S
seen["outer"] = [r["legs"] for r in outer.entities()]
seen["regex"] = [r["name"] for r in species.filter(species.name.ciregexp("^O.L$")).entities()]
results = animal.aggregates(
    Min(animal.weight).alias("lo"),
    Max(animal.weight).alias("hi"),
    Avg(animal.weight).alias("mean"),
    Cnt(animal).alias("all"),
    CntD(animal.species).alias("kinds"),
)
seen["aggregates"] = results.fetch()[0]
groups = animal.groupby(animal.species).attributes(
    Cnt(animal.RID).alias("n"), ArrayD(animal.species).alias("kinds")
)
seen["groups"] = sorted((g["species"], g["n"], g["kinds"]) for g in groups)
bins = animal.groupby(Bin(animal.weight, 5, minval=0, maxval=625).alias("bin")).attributes(
    Cnt(animal.RID).alias("n")
)
seen["bins"] = sorted((b["bin"][0], b["n"]) for b in bins)
seen["page"] = [r["weight"] for r in animal.entities().sort(animal.weight.desc).fetch(limit=3)]
seen["contextualized"] = len(animal.path.denormalize().fetch(limit=5)[0]) > 5

first = inserted[0]
updated = animal.update([{"RID": first["RID"], "weight": -1.0, "facts": None}])
seen["updated"] = [(r["weight"], r["facts"]) for r in updated]
seen["changed"] = animal.filter(animal.weight == -1).entities()[0]["facts"]
animal.filter(animal.weight == -1).delete()
seen["deleted"] = len(animal.filter(animal.weight == -1).entities())
try:
    species.insert([{"name": "owl"}])
except DataPathException as error:
    seen["duplicate"] = (type(error).__name__, "already exists" in str(error))
seen["skipped"] = len(
    list(species.insert([{"name": "owl"}, {"name": "eel"}], on_conflict_skip=True))
)
try:
    builder.zoo.Species.filter(builder.zoo.Species.name == "owl").delete()
except DataPathException as error:
    seen["referenced"] = (type(error).__name__, "still referenced" in str(error))

found: ResolveRidResult = catalog.resolve_rid(first["RID"])
seen["resolved"] = found.table.name
try:
    catalog.resolve_rid("9-ZZZZ")
except KeyError as error:
    seen["unresolved"] = type(error).__name__

folder = Path(directory)
for name, kind, paged in (
    ("a.csv", "text/csv", True),
    ("a.json", "application/x-json-stream", True),
    ("b.csv", "text/csv", False),
):
    catalog.getAsFile(
        "/entity/zoo:Animal",
        str(folder / name),
        headers={"accept": kind},
        delete_if_empty=True,
        paged=paged,
        page_size=700,
    )
seen["files"] = [len((folder / n).read_text().splitlines()) for n in ("a.csv", "a.json", "b.csv")]

snapshot = catalog.latest_snapshot()
species.filter(species.name == "eel").delete()
seen["then"] = len(snapshot.getPathBuilder().zoo.Species.entities())
seen["now"] = len(species.entities())
guarded = catalog.get("/entity/zoo:Species")
species.insert([{"name": "asp"}])
try:
    catalog.delete("/entity/zoo:Species/name=asp", guard_response=guarded)
except ConcurrentUpdate as error:
    seen["guarded"] = type(error).__name__

copy = catalog.clone_catalog(copy_data=True, copy_annotations=True, copy_policy=True)
seen["clone"] = len(copy.getPathBuilder().zoo.Animal.entities())
seen["clone_model"] = sorted(copy.getCatalogModel().schemas["zoo"].tables)

name = f"zoo-{catalog.catalog_id}"
alias = server.create_ermrest_alias(id=name, alias_target=str(catalog.catalog_id))
seen["alias"] = (
    len(alias.getPathBuilder().zoo.Species.entities())
    if hasattr(alias, "getPathBuilder")
    else len(server.connect_ermrest(name).getPathBuilder().zoo.Species.entities())
)
seen["alias_target"] = server.connect_ermrest(name).alias_target == str(catalog.catalog_id)
server.connect_ermrest_alias(name).update(alias_target=str(copy.catalog_id))
seen["moved"] = server.connect_ermrest(name).alias_target == str(copy.catalog_id)
server.connect_ermrest_alias(name).delete_ermrest_alias(really=True)
print(json.dumps(seen, default=str))
