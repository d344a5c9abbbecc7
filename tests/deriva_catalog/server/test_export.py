"""The export service. Source: ERMrest, "Companion services clients expect"."""

from __future__ import annotations

import csv
import http.client
import io
import json
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bagit
import pytest

from catalog_server import HttpClient, Reply, Served
from deriva_catalog.access import ANONYMOUS
from deriva_catalog.errors import Unavailable
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.server.export.configuration import read_configuration
from deriva_catalog.server.export.processing import FileFacts, export
from deriva_catalog.server.messages import Request

BAG, FILE = "/deriva/export/bdbag", "/deriva/export/file"


@pytest.fixture
def animals(kim: HttpClient, zoo: str) -> str:
    """The identifier of a catalog with rows."""
    rows = [{"name": "owl", "legs": 2}, {"name": "cat, wild", "legs": 4}]
    assert kim.post(f"{zoo}/entity/zoo:Species", rows).status == 200
    return zoo.rsplit("/", 1)[1]


@pytest.fixture(scope="module")
def still(kim: HttpClient, served: Served) -> str:
    """The identifier of one for all tests that change nothing."""
    made = served.service.registry.create(client=kim.id)
    table = table_document("Species", [column_document("name", "text")])
    made.create_schema({"schema_name": "zoo", "tables": {"Species": table}})
    made.close()
    return made.id


def step(processor: str, query: str, **parameters: Any) -> dict[str, Any]:
    return {"processor": processor, "processor_params": {"query_path": query, **parameters}}


SPECIES = step("csv", "/entity/zoo:Species@sort(name)", output_path="zoo/Species")


def config(catalog: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"catalog": {"catalog_id": catalog, "query_processors": list(steps)}, **more}


def local_part(address: str) -> str:
    return urlsplit(address).path


def fetched(client: HttpClient, reply: Reply) -> Reply:
    """The one result of an export."""
    assert (reply.status, reply.headers["content-type"]) == (200, "text/uri-list"), reply.text
    (address,) = reply.text.split("\n")  # no line end after the last one
    assert address.startswith("http://")
    return client.get(local_part(address))


def test_a_table_is_exported_to_a_file(kim: HttpClient, animals: str) -> None:
    made = kim.post(FILE, config(animals, SPECIES))
    address = local_part(made.text)
    headed = kim.head(address)
    assert headed.headers["content-disposition"] == "filename*=UTF-8''Species.csv"
    got = fetched(kim, made)
    assert got.headers["content-type"] == "text/csv"
    assert int(headed.headers["content-length"]) == len(got.body)
    rows = list(csv.DictReader(io.StringIO(got.text)))
    assert [row["name"] for row in rows] == ["cat, wild", "owl"]


def test_several_files_are_several_lines(kim: HttpClient, animals: str) -> None:
    steps = (
        SPECIES,
        step("json", "entity/zoo:Species?limit=1", output_path="one"),
        step(
            "json-stream", "/attribute/zoo:Species/name", output_path="x", output_filename="n.txt"
        ),
    )
    made = kim.post(FILE, config(animals, *steps))
    names = [address.rsplit("/", 1)[1] for address in made.text.split("\n")]
    assert names == ["Species.csv", "n.txt", "one.json"]
    assert len(kim.get(local_part(made.text.split("\n")[2])).json) == 1
    twice = kim.post(FILE, config(animals, SPECIES, SPECIES))
    assert twice.status == 409


@pytest.mark.parametrize("archiver", ["zip", "tar", "tgz"])
def test_a_bag_is_one_archive(kim: HttpClient, animals: str, tmp_path: Path, archiver: str) -> None:
    bag = {
        "bag_name": "zoo",
        "bag_archiver": archiver,
        "bag_algorithms": ["md5"],
        "bag_metadata": {"Contact-Name": "Kim"},
    }
    wanted = config(animals, SPECIES, bag=bag)
    got = fetched(kim, kim.post(BAG, wanted))
    assert got.headers["content-disposition"].endswith(f"zoo.{archiver}")
    if archiver == "zip":
        zipfile.ZipFile(io.BytesIO(got.body)).extractall(tmp_path)
    else:
        with tarfile.open(fileobj=io.BytesIO(got.body)) as archive:
            archive.extractall(tmp_path, filter="data")
    found = bagit.Bag(str(tmp_path / "zoo"))
    found.validate()
    assert found.info["Contact-Name"] == "Kim"
    assert (tmp_path / "zoo/data/zoo/Species.csv").read_text().count("\n") == 3
    assert fetched(kim, kim.post(BAG, wanted)).body == got.body  # nothing has changed


def test_the_catalog_and_its_model_can_be_exported(
    kim: HttpClient, animals: str, tmp_path: Path
) -> None:
    steps = (
        step("env", "/", query_keys=["snaptime"]),
        step("json", "/schema", output_path="{snaptime}/schema"),
        step("json", "schema/zoo/table/Species/column", output_path="columns"),
    )
    wanted = config(animals, *steps, bag={"bag_name": "zoo {label}"}, env={"label": "a"})
    got = fetched(kim, kim.post(BAG, wanted))
    zipfile.ZipFile(io.BytesIO(got.body)).extractall(tmp_path)
    now = kim.get(f"/ermrest/catalog/{animals}").json["snaptime"]
    found = json.loads((tmp_path / f"zoo a/data/{now}/schema.json").read_text())
    assert found == kim.get(f"/ermrest/catalog/{animals}@{now}/schema").json
    columns = json.loads((tmp_path / "zoo a/data/columns.json").read_text())
    assert [c["name"] for c in columns][-2:] == ["name", "legs"]


@pytest.mark.parametrize("processor", ["csv", "json", "json-stream"])
def test_queries_without_rows_make_no_file_in_a_bag(
    kim: HttpClient, animals: str, processor: str
) -> None:
    none = step(processor, "/entity/zoo:Species/name=none", output_path="none")
    one = step(processor, "/attribute/zoo:Species/name=owl/name", output_path="one")
    got = fetched(kim, kim.post(BAG, config(animals, none, one, bag={"bag_name": "zoo"})))
    names = zipfile.ZipFile(io.BytesIO(got.body)).namelist()
    ending = "csv" if processor == "csv" else "json"
    assert [n for n in names if "/data/" in n] == [f"zoo/data/one.{ending}"]
    alone = fetched(kim, kim.post(FILE, config(animals, none)))
    assert (alone.status, b"owl" in alone.body) == (200, False)


def test_what_has_no_rows_is_no_table(kim: HttpClient, still: str) -> None:
    refused = kim.post(FILE, config(still, step("csv", "/schema", output_path="x")))
    assert (refused.status, "'/schema' has no rows" in refused.text) == (400, True)
    missing = kim.post(FILE, config(still, step("json", "/schema/none", output_path="x")))
    assert (missing.status, "the answer is 404" in missing.text) == (409, True)


def stored(kim: HttpClient, name: str, data: bytes) -> str:
    space = f"/hatrac/{name}"
    made = kim.request("PUT", space, b"", {"Content-Type": "application/x-hatrac-namespace"})
    assert made.status == 201, made.text
    put = kim.request("PUT", f"{space}/a.bin", data, {"Content-Type": "application/octet-stream"})
    assert put.status == 201
    return local_part(put.headers["location"])


def test_files_are_listed_or_put_into_the_bag(
    kim: HttpClient, served: Served, animals: str, tmp_path: Path
) -> None:
    catalog = served.service.registry.open(animals)
    for column in ("url", "md5"):
        catalog.create_column(TableName("Species", "zoo"), column_document(column, "text"))
    data = b"0123456789" * 1000
    url = stored(kim, f"export{animals}", data)
    foreign = "https://files.example.org/x/b.bin"
    rows = [
        {"name": "owl", "url": url},
        {"name": "cat, wild", "url": foreign, "md5": "0" * 32, "legs": 10},
    ]
    catalog.update(TableName("Species", "zoo"), rows, keys=["name"], targets=["url", "md5"])
    columns = "url,md5,RID,length:=legs"
    own = "/attribute/zoo:Species/name=owl/url,RID"
    other = f"/attribute/zoo:Species/md5=any({'0' * 32})/{columns}"
    wanted = config(
        animals,
        step("fetch", own, output_path="listed/{RID}"),
        step("fetch", other, output_path="listed", output_filename="{RID}.bin"),
        step("download", own, output_path="here"),
        bag={"bag_name": "zoo"},
    )
    wanted["catalog"]["host"] = "https://zoo.example.org"
    got = fetched(kim, kim.post(BAG, wanted))
    zipfile.ZipFile(io.BytesIO(got.body)).extractall(tmp_path)
    assert (tmp_path / "zoo/data/here/a.bin").read_bytes() == data
    lines = [line.split("\t") for line in (tmp_path / "zoo/fetch.txt").read_text().splitlines()]
    rids = {row["name"]: row["RID"] for row in catalog.fetch("entity/zoo:Species")}
    assert sorted(lines) == [
        [foreign, "4", f"data/listed/{rids['cat, wild']}.bin"],
        [f"https://zoo.example.org{url}", "10000", f"data/listed/{rids['owl']}/a.bin"],
    ]
    single = fetched(kim, kim.post(FILE, config(animals, step("download", own, output_path="x"))))
    assert single.body == data
    assert kim.post(FILE, config(animals, step("fetch", own, output_path="x"))).status == 400
    catalog.update(
        TableName("Species", "zoo"), [{"name": "owl", "url": "/hatrac/no/such"}], keys=["name"]
    )
    refused = kim.post(BAG, wanted)
    assert (refused.status, "'/hatrac/no/such' cannot be exported" in refused.text) == (409, True)
    catalog.close()


class NoSpace:
    """Where no file can be written."""

    keeps_empty = True

    def add(self, path: str, pieces: Iterator[bytes]) -> None:
        raise Unavailable(f"No space left for {path}.")

    def refer(self, path: str, facts: FileFacts) -> None:
        raise Unavailable(f"No space left for {path}.")


def test_an_export_that_breaks_ends_its_reading(
    kim: HttpClient, served: Served, animals: str
) -> None:
    catalog = served.service.registry.open(animals)
    query = "attribute/zoo:Species/url:=name,length:=legs,md5:=name"
    wanted = read_configuration(config(animals, step("fetch", query, output_path="x")))
    request = Request("POST", FILE, {}, ANONYMOUS, io.BytesIO())
    with pytest.raises(Unavailable, match="No space") as broken:
        export(served.service, request, wanted, catalog, NoSpace())
    assert broken.tb is not None  # which keeps what the export was reading
    assert catalog.store.storage.engine.pool.checkedout() == 0
    catalog.close()


def test_variables_come_from_the_configuration_and_from_queries(
    kim: HttpClient, animals: str
) -> None:
    steps = (
        step("env", "/entity/zoo:Species/name=cat%2C%20wild", query_keys=["name", "legs"]),
        step(
            "json",
            "/attribute/zoo:Species/name={name}&legs={legs}/name,legs",
            output_path="{prefix}-{legs}-{{x}}",
        ),
        step("csv", "/entity/zoo:Species/name={given}", output_path="given"),
    )
    env = {"prefix": "p", "given": "a b"}
    made = kim.post(FILE, config(animals, *steps, env=env))
    assert made.status == 200, made.text
    first = local_part(made.text.split("\n")[1])
    assert first.endswith("/p-4-%7Bx%7D.json")
    assert kim.get(first).json == [{"name": "cat, wild", "legs": 4}]
    unknown = kim.post(FILE, config(animals, step("csv", "/entity/{x}", output_path="x")))
    assert (unknown.status, "no variable for '{x}'" in unknown.text) == (400, True)


def test_an_export_of_a_snapshot(kim: HttpClient, served: Served, animals: str) -> None:
    catalog = served.service.registry.open(animals)
    then = catalog.latest_snapshot()
    catalog.insert(TableName("Species", "zoo"), [{"name": "dog"}])
    for name, count in ((animals, 4), (f"{animals}@{then}", 3)):
        assert fetched(kim, kim.post(FILE, config(name, SPECIES))).body.count(b"\n") == count
    capture = "tag:isrd.isi.edu,2020:history-capture"
    catalog.set_annotation(Address("zoo", "Species"), capture, False)
    assert fetched(kim, kim.post(FILE, config(animals, SPECIES))).body.count(b"\n") == 4
    catalog.close()


def test_results_are_for_the_one_who_made_them(
    kim: HttpClient, nobody: HttpClient, served: Served, animals: str
) -> None:
    other = served.client("https://lab.example/other")
    mine = local_part(kim.post(FILE, config(animals, SPECIES)).text)
    shared = local_part(kim.post(f"{FILE}?public=true", config(animals, SPECIES)).text)
    assert [c.get(mine).status for c in (kim, other, nobody)] == [200, 404, 404]
    assert [c.get(shared).status for c in (kim, other, nobody)] == [200, 200, 200]
    assert other.post(FILE, config(animals, SPECIES)).status == 403
    assert nobody.post(FILE, config(animals, SPECIES)).status == 401


def test_results_expire(kim: HttpClient, served: Served, animals: str) -> None:
    usual = served.service.settings
    served.service.settings = replace(usual, export_hours=0.0)
    try:
        gone = local_part(kim.post(FILE, config(animals, SPECIES)).text)
    finally:
        served.service.settings = usual
    assert kim.get(gone).status == 404
    spool = served.service.registry.home / "exports"
    key = gone.split("/")[-2]
    assert (spool / key).exists()
    assert kim.post(FILE, config(animals, SPECIES)).status == 200
    assert not (spool / key).exists()


def _without(*members: str) -> Callable[[dict[str, Any]], None]:
    def change(wanted: dict[str, Any]) -> None:
        place = wanted
        for member in members[:-1]:
            place = place[member]
        del place[members[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda w: w.clear(), 400),
        (_without("catalog", "catalog_id"), 400),
        (_without("catalog", "query_processors"), 400),
        (lambda w: w["catalog"].update(query_processors=[]), 400),
        (lambda w: w["catalog"].update(query_processors=[1]), 400),
        (lambda w: w["catalog"].update(query_processors={}), 400),
        (lambda w: w["catalog"].update(catalog_id=[]), 400),
        (lambda w: w["catalog"].update(catalog_id="nowhere"), 404),
        (lambda w: w["catalog"].update(catalog_id="a/b"), 404),
        (lambda w: w["catalog"].update(query_processors=[step("fasta", "x")]), 400),
        (lambda w: w["catalog"].update(query_processors=[step("csv", "")]), 400),
        (lambda w: w["catalog"].update(query_processors=[step("csv", "/entity/x", more=1)]), 400),
        (
            lambda w: w["catalog"].update(
                query_processors=[step("csv", "/schema", output_path="x")]
            ),
            400,
        ),
        (
            lambda w: w["catalog"].update(
                query_processors=[step("csv", "/entity/No", output_path="x")]
            ),
            409,
        ),
        (
            lambda w: w["catalog"].update(
                query_processors=[step("csv", "/entity/zoo:Species", output_path="../x")]
            ),
            400,
        ),
        (lambda w: w.update(env=[1]), 400),
        (lambda w: w.update(env={"a": None}), 400),
        (lambda w: w.update(bag={"bag_archiver": "rar"}), 400),
        (lambda w: w.update(bag={"bag_algorithms": ["crc32"]}), 400),
        (lambda w: w.update(bag={"bag_metadata": "x"}), 400),
        (lambda w: w.update(post_processors=[{"processor": "cloud_upload"}]), 400),
    ],
)
def test_other_configurations_are_refused(
    kim: HttpClient,
    served: Served,
    still: str,
    change: Callable[[dict[str, Any]], None],
    status: int,
) -> None:
    spool = served.service.registry.home / "exports"
    before = set(spool.iterdir()) if spool.exists() else set()
    wanted = config(still, dict(SPECIES))
    change(wanted)
    for kind in (BAG, FILE):
        reply = kim.post(kind, wanted)
        assert reply.status == status, reply.text
    assert (set(spool.iterdir()) if spool.exists() else set()) == before


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", BAG, 405),
        ("GET", "/deriva", 404),
        ("GET", "/deriva/export", 404),
        ("POST", "/deriva/export/other", 404),
        ("GET", f"{FILE}/x/y", 404),
        ("GET", f"{FILE}/x", 404),
        ("GET", f"{FILE}/../note.json", 404),
        ("GET", f"{FILE}/%2E%2E/note.json", 404),
        ("GET", f"{FILE}/x/y%2Fz", 404),
        ("DELETE", f"{FILE}/x/y", 405),
        ("POST", f"{FILE}?public=maybe", 400),
    ],
)
def test_other_addresses(
    kim: HttpClient, still: str, method: str, target: str, status: int
) -> None:
    body = config(still, SPECIES) if method == "POST" else None
    assert kim.request(method, target, body).status == status


@pytest.mark.parametrize(
    ("processor", "told"),
    [
        ({"processor": "fasta"}, "the processor 'fasta'"),
        ({"processor": "mine", "processor_type": "my.module.Mine"}, "'my.module.Mine' of its own"),
    ],
)
def test_a_processor_that_is_not_there_is_named(
    kim: HttpClient, still: str, processor: dict[str, str], told: str
) -> None:
    refused = kim.post(FILE, config(still, {**SPECIES, **processor}))
    assert refused.status == 400
    assert told in refused.text
    assert "csv, json, json-stream, env, fetch, download" in refused.text


def test_large_results_do_not_go_through_memory(
    kim: HttpClient, served: Served, animals: str
) -> None:
    catalog = served.service.registry.open(animals)
    catalog.create_column(TableName("Species", "zoo"), column_document("url", "text"))
    url = stored(kim, f"large{animals}", bytes(range(256)) * (48 << 12))
    long = [{"name": f"{n:05} " + "x" * 1000, "url": url if n == 7 else None} for n in range(9000)]
    catalog.insert(TableName("Species", "zoo"), long, returning=False)
    catalog.close()
    wanted = config(
        animals,
        step("csv", "/entity/zoo:Species", output_path="rows"),
        step("download", "/attribute/zoo:Species/url", output_path="file"),
        bag={"bag_name": "zoo", "bag_archiver": "tar"},
    )
    tracemalloc.start()
    try:
        made = kim.post(BAG, wanted)
        length = 0
        connection = http.client.HTTPConnection("127.0.0.1", kim.port, timeout=60)
        headers = {"Authorization": f"Bearer {kim.token}"}
        connection.request("GET", local_part(made.text), headers=headers)
        reply = connection.getresponse()
        while piece := reply.read(1 << 16):
            length += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    connection.close()
    assert length > 57 << 20
    assert peak < 20 << 20
