"""Data paths: every kind of query, join and filter, and inserts, updates and deletes."""

import re

from deriva.core.datapath import (
    All,
    Any,
    Array,
    ArrayD,
    Avg,
    Bin,
    Cnt,
    CntD,
    Max,
    Min,
    Sum,
    simple_denormalization,
    simple_denormalization_with_whole_entities,
)
from deriva.core.ermrest_model import Column, ForeignKey, Key, Schema, Table, builtin_types, tag
from told import outcome, server, tell

catalog = server().create_ermrest_catalog()
model = catalog.getCatalogModel()
schema = model.create_schema(Schema.define("lab: a/b"))
kind = schema.create_table(Table.define_vocabulary("Kind", "LAB:{RID}"))
subject = schema.create_table(
    Table.define(
        "Subject",
        [
            Column.define("code", builtin_types.text, nullok=False),
            Column.define("weight", builtin_types.float8),
            Column.define("count", builtin_types.int4, default=7),
            Column.define("born", builtin_types.date),
            Column.define("tags", builtin_types["text[]"]),
            Column.define("kind", builtin_types.text),
        ],
        key_defs=[Key.define(["code"])],
        fkey_defs=[ForeignKey.define(["kind"], "lab: a/b", "Kind", ["Name"])],
        annotations={
            tag.visible_columns: {
                "*": ["code", ["lab: a/b", "Subject_kind_fkey"], "weight"],
            }
        },
    )
)
scan = schema.create_table(
    Table.define(
        "Scan",
        [
            Column.define("subject", builtin_types.text),
            Column.define("size", builtin_types.int8),
            Column.define("two words", builtin_types.text),
        ],
        fkey_defs=[ForeignKey.define(["subject"], "lab: a/b", "Subject", ["code"])],
    )
)
[whose] = [key for key in scan.foreign_keys if key.pk_table is subject]
lab = catalog.getPathBuilder().schemas["lab: a/b"]
Kind, Subject, Scan = lab.tables["Kind"], lab.tables["Subject"], lab.tables["Scan"]

# --- inserting
Kind.insert(
    [{"Name": name, "Description": "d", "Synonyms": ["x"]} for name in ("mouse", "fish", "newt")],
    defaults={"ID", "URI"},
)
rows = [
    {
        "code": f"s{n:02}",
        "weight": None if n == 9 else n * 1.5,
        "count": n % 3,
        "born": f"2026-01-{n + 1:02}",
        "tags": ["a", "é"] if n % 2 else [],
        "kind": ["mouse", "fish", None][n % 3],
    }
    for n in range(10)
]
made = list(Subject.insert(rows))
defaulted = Subject.insert([{"code": "later", "count": 99}], defaults={"count"})[0]
skipped = list(Subject.insert([rows[0], {**rows[1], "code": "new"}], on_conflict_skip=True))
chosen = Subject.insert(
    [{"code": "chosen", "RID": "9-ZZZC"}], nondefaults={"RID"}, add_system_defaults=False
)[0]
Scan.insert(
    ({"subject": f"s{n % 5:02}", "size": 2**53 + n, "two words": f"w {n}/&"} for n in range(2500)),
)
Scan.insert([{"subject": None, "size": 1, "two words": "nobody's"}])
facts = {
    "made": [row["code"] for row in made],
    "system": sorted(name for name in made[0] if re.fullmatch("R[A-Z]{2}", name)),
    "defaulted": defaulted["count"],
    "skipped": [row["code"] for row in skipped],
    "chosen": chosen["RID"],
    "duplicate": outcome(Subject.insert, [rows[0]]),
    "twice": outcome(Subject.insert, [{"code": "t"}, {"code": "t"}]),
    "no_such_kind": outcome(Subject.insert, [{"code": "u", "kind": "bird"}]),
    "nothing": list(Subject.insert([])),
}
Subject.filter(
    (Subject.code == "chosen") | (Subject.code == "later") | (Subject.code == "new")
).delete()


def codes(results):
    return [row["code"] for row in results]


# --- entities, filters, sorting, limits
by_code = Subject.entities().sort(Subject.code)
facts |= {
    "entities": codes(by_code),
    "length": len(Subject.entities()),
    "limit": codes(Subject.entities().sort(Subject.code.desc).fetch(limit=2)),
    "sorted": codes(Subject.entities().sort(Subject.weight.desc, Subject.code).limit(3)),
    "eq": codes(Subject.filter(Subject.code == "s03").entities()),
    "ne": len(Subject.filter(Subject.count != 0).entities()),
    "null": codes(Subject.filter(Subject.weight == None).entities()),  # noqa: E711
    "range": codes(
        Subject.filter((Subject.weight > 3) & (Subject.weight <= 6)).entities().sort(Subject.code)
    ),
    "or": len(Subject.filter((Subject.count == 0) | (Subject.count == 1)).entities()),
    "not": len(Subject.filter(~(Subject.count == 0)).entities()),
    "regexp": codes(Subject.filter(Subject.code.regexp("S0[12]")).entities()),
    "ciregexp": len(Subject.filter(Subject.code.ciregexp("S0[12]")).entities()),
    "date": codes(Subject.filter(Subject.born >= "2026-01-10").entities()),
    "any": len(Subject.filter(Subject.code == Any("s01", "s02", "zz")).entities()),
    "all": len(Subject.filter(Subject.code.ciregexp(All("s", "0", "1"))).entities()),
    "quoted": len(Scan.filter(Scan.column_definitions["two words"] == "w 7/&").entities()),
    "big": Scan.filter(Scan.size == 2**53 + 3).entities()[0]["size"],
    "iterated": sum(1 for _ in Scan.entities()),
}

# --- attributes, links
path = Subject.path
path.link(Scan)
path.filter(path.Scan.size < 2**53 + 5)


def joined(join_type):
    left, other = Subject.alias("S").path, Kind.alias("K")
    left.link(other, on=(left.S.kind == other.Name), join_type=join_type)
    return sorted(
        [str(row["code"]), str(row["kind"]), row["n"]]
        for row in left.groupby(left.S.code, left.K.Name.alias("kind"))
        .attributes(Cnt(left.S.RID).alias("n"))
        .fetch()
    )


facts |= {
    "attributes": Subject.attributes(Subject.code, Subject.weight.alias("kg")).sort(Subject.code)[
        1
    ],
    "linked": sorted(
        row["who"] for row in path.attributes(path.Subject.code.alias("who"), path.Scan.size)
    ),
    "context": [path.context._name, path.Subject.entities().fetch(limit=1)[0]["code"][0]],
    "joined": {kind: joined(kind) for kind in ("", "left", "right", "full")},
    "by_key": len(Subject.path.link(Scan, on=whose).entities().fetch()),
    "explicit": len(Scan.link(Subject, on=(Scan.subject == Subject.code)).entities()),
    "self_twice": len(Kind.link(Subject).link(Scan).entities()),
    "describe": "lab: a/b" in str(lab.describe()),
}
first, second = Kind.path.link(Subject), Subject.alias("Subject").path.link(Scan)
facts["composed"] = len(catalog.getPathBuilder().compose(first, second).entities().fetch())

# --- aggregates and groups
total = Subject.aggregates(
    Min(Subject.weight).alias("least"),
    Max(Subject.code).alias("last"),
    Sum(Subject.count).alias("sum"),
    Avg(Subject.weight).alias("mean"),
    Cnt(Subject.weight).alias("weighed"),
    Cnt(Subject).alias("all"),
    CntD(Subject.kind).alias("kinds"),
    Array(Subject.code).alias("codes"),
    ArrayD(Subject.count).alias("counts"),
)[0]
groups = (
    Subject.groupby(Subject.kind)
    .attributes(Cnt(Subject).alias("n"), ArrayD(Subject.code).alias("codes"))
    .sort(Subject.kind)
)
bins = (
    Subject.groupby(Bin(Subject.weight, 3, 0, 12).alias("bin"))
    .attributes(Cnt(Subject).alias("n"))
    .fetch()
)
automatic = (
    Subject.groupby(Bin(Subject.weight, 2).alias("bin")).attributes(Cnt(Subject).alias("n")).fetch()
)
facts |= {
    "total": {
        name: sorted(value) if isinstance(value, list) else value for name, value in total.items()
    },
    "groups": [[g["kind"], g["n"], sorted(g["codes"])] for g in groups],
    "by_count": [
        [g["n"], g["c"]]
        for g in Subject.groupby(Subject.count.alias("n"))
        .attributes(Cnt(Subject).alias("c"))
        .sort(Cnt(Subject).alias("c").desc, Subject.count.alias("n"))
    ],
    "bins": sorted(([*(b["bin"] or [None]), b["n"]] for b in bins), key=str),
    "automatic": sum(b["n"] for b in automatic),
    "whole": len(
        Subject.groupby(Subject.kind)
        .attributes(ArrayD(Subject).alias("rows"))
        .fetch()[0]["rows"][0]
    ),
}

# --- denormalised
wide = Subject.denormalize(context_name="*").fetch()
simple = (
    Scan.filter(Scan.size >= 2**53 + 1499).denormalize(heuristic=simple_denormalization).fetch()
)
facts |= {
    "denormalized": [len(wide), sorted(wide[0])],
    "simple": [len(simple), sorted(simple[0])],
    "with_entities": sorted(
        Subject.path.denormalize(heuristic=simple_denormalization_with_whole_entities).fetch(
            limit=1
        )[0]
    ),
}

# --- updating and deleting
first = Subject.filter(Subject.code == "s00").entities()[0]
first.update(weight=77.5, tags=["n", None])
changed = Subject.update([first], targets=["weight", "tags"])[0]
by_key = list(
    Subject.update(
        [{"code": "s01", "weight": 1}, {"code": "zz", "weight": 2}],
        correlation={"code"},
        targets={"weight"},
    )
)
rids = [row["RID"] for row in Scan.entities().fetch(limit=1500)]
facts |= {
    "changed": changed["weight"],
    "stored": Subject.filter(Subject.code == "s00").entities()[0]["tags"],
    "by_key_updated": by_key,
    "many": len(Scan.update([{"RID": rid, "size": 5} for rid in rids])),
    "system_target": outcome(
        Subject.update, [{"RID": first["RID"], "RCT": "2020-01-01"}], targets=["RCT"]
    ),
    "in_use": outcome(Subject.filter(Subject.code == "s02").delete),
}
Scan.path.filter(Scan.size == 5).delete()
facts |= {
    "after_delete": len(Scan.entities()),
    "none": outcome(Scan.path.filter(Scan.size == 5).delete),
}
tell(**facts)
