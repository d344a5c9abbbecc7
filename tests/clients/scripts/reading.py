"""Snapshots, row identifiers, files in pages, the cache of answers and guarded changes."""

import csv
import json
import tempfile
from pathlib import Path

from deriva.core import ConcurrentUpdate, ErmrestCatalogMutationError, NotModified
from deriva.core.datapath import Cnt
from deriva.core.ermrest_model import Column, Key, Schema, Table, builtin_types
from told import outcome, server, tell

ROWS = 2500

catalog = server().create_ermrest_catalog()
schema = catalog.getCatalogModel().create_schema(Schema.define("s"))
table = schema.create_table(
    Table.define(
        "T",
        [
            Column.define("nr", builtin_types.int4, nullok=False),
            Column.define("text", builtin_types.text),
        ],
        key_defs=[Key.define(["nr"])],
    )
)
T = catalog.getPathBuilder().s.T
texts = ["plain", 'with "quotes", commas', "", None, "é\tü", "=1+1"]
T.insert([{"nr": n, "text": texts[n % len(texts)]} for n in range(ROWS)])

# --- time travel
before = catalog.latest_snapshot()
T.filter(T.nr >= 10).delete()
T.update([{"nr": 0, "text": "new"}], correlation={"nr"}, targets={"text"})
table.columns["text"].alter(name="words")
after = catalog.latest_snapshot()
past, now = before.getPathBuilder().s.T, after.getPathBuilder().s.T
try:
    before.post("/entity/s:T", json=[{"nr": -1}])
    refused = False
except ErmrestCatalogMutationError:
    refused = True
facts = {
    "past": [len(past.entities()), past.filter(past.nr == 0).entities()[0]["text"]],
    "now": [len(now.entities()), now.filter(now.nr == 0).entities()[0]["words"]],
    "past_columns": "text" in before.getCatalogModel().table("s", "T").columns.elements,
    "immutable": refused,
    "nonsense_snapshot": outcome(server().connect_ermrest(catalog.catalog_id, "2").get, "/schema"),
    "grouped": past.aggregates(Cnt(past).alias("n"))[0],
}

# --- row identifiers
row = now.entities().sort(now.nr)[0]
found = catalog.resolve_rid(row["RID"])
gone = past.filter(past.nr == 1234).entities()[0]["RID"]
try:
    catalog.resolve_rid("9-9999")
    missing = False
except KeyError:
    missing = True
facts |= {
    "resolved": [found.table.name, found.rid == row["RID"], found.datapath.entities()[0]["nr"]],
    "lower_case": catalog.resolve_rid(row["RID"].lower()).rid == row["RID"],
    "then": before.resolve_rid(gone).datapath.entities()[0]["nr"],
    "deleted": "deleted_at" in catalog.get(f"/entity_rid/{gone}").json(),
    "missing": missing,
}

# --- files
place = Path(tempfile.mkdtemp())


def fetched(name, path, accept, from_=before, **options):
    from_.getAsFile(path, str(place / name), headers={"accept": accept}, **options)
    return place / name


def numbers_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [int(r["nr"]) for r in rows], rows


def numbers_stream(path):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [r["nr"] for r in rows], rows


whole, rows = numbers_csv(fetched("whole.csv", "/entity/s:T@sort(nr)", "text/csv"))
paged, paged_rows = numbers_csv(
    fetched("paged.csv", "/entity/s:T", "text/csv", paged=True, page_size=600)
)
stream, stream_rows = numbers_stream(
    fetched(
        "paged.json",
        "/entity/s:T",
        "application/x-json-stream",
        paged=True,
        page_size=500,
        page_sort_columns=["nr"],
    )
)
plain = json.loads(
    fetched("all.json", "/entity/s:T", "application/json").read_text(encoding="utf-8")
)
fetched("none.csv", "/entity/s:T/nr=-5", "text/csv", delete_if_empty=True)
fetched("none.json", "/entity/s:T/nr=-5", "application/json", delete_if_empty=True)
fetched("none.jsons", "/entity/s:T/nr=-5", "application/x-json-stream", delete_if_empty=True)
fetched("exact.csv", "/attribute/s:T/RID,nr", "text/csv", paged=True, page_size=1250)
fetched("limited.csv", "/entity/s:T?limit=7", "text/csv", from_=after, paged=True, page_size=3)
facts |= {
    "csv": whole == list(range(ROWS)),
    "csv_texts": [r["text"] for r in rows[:6]],
    "csv_paged": sorted(paged) == whole and len({r["RID"] for r in paged_rows}) == ROWS,
    "stream_paged": stream == whole,
    "stream_texts": [r["text"] for r in stream_rows[:6]],
    "json": len(plain),
    "empty": sorted(p.name for p in place.glob("none*")),
    "exact": len(numbers_csv(place / "exact.csv")[0]),
    "limited": len(numbers_csv(place / "limited.csv")[0]),
}

# --- answers are kept and revalidated; changes can be guarded
answer = catalog.get("/entity/s:T")
same = catalog.get("/entity/s:T")
try:
    catalog.get("/entity/s:T", raise_not_modified=True)
    unmodified = False
except NotModified:
    unmodified = True
head = catalog.head("/schema")
guard = catalog.get("/entity/s:T/nr=1")
catalog.put("/attributegroup/s:T/nr;words", json=[{"nr": 1, "words": "a"}], guard_response=guard)
try:
    catalog.put(
        "/attributegroup/s:T/nr;words", json=[{"nr": 1, "words": "b"}], guard_response=guard
    )
    guarded = False
except ConcurrentUpdate:
    guarded = True
try:
    catalog.delete("/entity/s:T/nr=1", guard_response=guard)
    kept = False
except ConcurrentUpdate:
    kept = True
facts |= {
    "cached": same is answer,
    "unmodified": unmodified,
    "head": [head.status_code, len(head.content), bool(head.headers.get("etag"))],
    "seen_again": catalog.get("/entity/s:T") is not answer,
    "guarded": [guarded, kept],
    "value": catalog.get("/entity/s:T/nr=1").json()[0]["words"],
    "vary": sorted(part.strip() for part in answer.headers["vary"].lower().split(",")),
}
model = catalog.get("/schema")
facts["model_cached"] = catalog.get("/schema") is model
facts["columns"] = sorted(catalog.getTableColumns("s:T"))
tell(**facts)
