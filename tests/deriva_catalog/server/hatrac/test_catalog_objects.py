"""The objects of a catalog over HTTP: its lists are theirs, and they are found at ``/hatrac``."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.objects.packs import LONGEST, pack_one, read_pack

USER = default_client()


@dataclass
class Home:
    """A service with one catalog: lee inserts and reads, max reads, and zoe knows of it."""

    served: Served
    catalog: LocalCatalog
    owner: HttpClient
    lee: HttpClient
    max: HttpClient
    zoe: HttpClient
    nobody: HttpClient

    @property
    def base(self) -> str:
        return f"/ermrest/catalog/{self.catalog.id}/hatrac"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    place = tmp_path_factory.mktemp("home")
    registry = Registry(place)
    catalog = registry.create(catalog_id="zoo")
    with catalog.store.writing() as writing:
        acls = {
            "owner": (USER,),
            "insert": ("lee",),
            "select": ("lee", "max"),
            "enumerate": ("lee", "max", "zoe"),
        }
        writing.adopt(replace(writing.model, acls=acls))
    with serving(place, registry=registry) as served:
        names = ("lee", "max", "zoe")
        clients = [served.client(name) for name in names]
        yield Home(served, catalog, served.client(USER), *clients, served.client())
    catalog.close()


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"/{tmp_path.name}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def post(client: HttpClient, target: str, document: Any, status: int = 200) -> Any:
    answer = client.post(target, document)
    assert answer.status == status, answer.text
    return answer.json


def test_who_reads_rows_reads_files(home: Home, name: str) -> None:
    made = home.lee.put(f"{home.base}{name}", b"1")
    assert made.status == 201
    url = made.text.strip()
    assert url.startswith(f"/hatrac{name}:")
    assert made.headers["location"] == f"/ermrest/catalog/zoo{url}"
    statuses = {"owner": 200, "lee": 200, "max": 200, "zoe": 403, "nobody": 401}
    for client, status in statuses.items():
        for target in (f"{home.base}{name}", f"/ermrest/catalog/zoo{url}"):
            assert getattr(home, client).get(target).status == status, client
    for client, status in {"max": 403, "zoe": 403, "nobody": 401}.items():
        answer = getattr(home, client).put(f"{home.base}{name}-2", b"1")
        assert answer.status == status, client
    assert home.lee.put(f"{home.base}{name}", b"2").status == 201
    assert home.catalog.objects.read(f"/hatrac{name}") == b"2"


def test_the_lists_of_the_root_are_those_of_the_catalog(home: Home) -> None:
    for spelled in ("", "/"):
        lists = home.owner.get(f"{home.base}{spelled};acl").json
        assert lists["owner"] == [USER]
        assert lists["create"] == [USER, "lee"]
        assert lists["subtree-read"] == [USER, "lee", "max"]
        assert home.owner.put(f"{home.base}{spelled};acl/read", ["*"]).status == 409
        assert home.lee.get(f"{home.base}{spelled};acl").status == 403


def test_a_snapshot_reads_objects_and_writes_none(home: Home, name: str) -> None:
    home.lee.put(f"{home.base}{name}", b"1")
    past = home.base.replace("/hatrac", f"@{home.catalog.latest_snapshot()}/hatrac")
    assert home.max.get(f"{past}{name}").body == b"1"
    for answer in (
        home.lee.put(f"{past}{name}", b"2"),
        home.lee.delete(f"{past}{name}"),
        home.lee.put(f"{past}{name};metadata/content-type", "a/b", content_type="text/plain"),
        home.lee.post(f"{past}{name};upload", {"chunk-length": 1, "content-length": 1}),
        home.lee.put(f"{past}/;content/{sha256(b'2')}", b"2"),
    ):
        assert answer.status == 403


def test_objects_of_catalogs_are_found_at_the_service(home: Home, name: str) -> None:
    stored = home.catalog.objects.put(f"/hatrac{name}", b"of the catalog")
    for target in (stored.url, stored.name):
        got = home.max.get(target)
        assert (got.status, got.body) == (200, b"of the catalog")
        assert got.headers["content-location"] == stored.url
        assert home.max.head(target).headers["content-md5"] == got.headers["content-md5"]
        assert home.zoe.get(target).status == 403
        assert home.nobody.get(target).status == 404  # does not know of the catalog
    assert home.max.get(f"{stored.name};versions").json == [stored.url]
    assert home.max.get(f"{stored.name};metadata").status == 200
    assert home.max.get(f"{stored.name}-none").status == 404
    # The service's own object of that name comes first, but a version is what it is.
    assert home.owner.put(stored.name, b"of the service").status == 201
    assert home.owner.get(stored.name).body == b"of the service"
    assert home.max.get(stored.url).body == b"of the catalog"


# --- bytes by their digests --------------------------------------------------------------


def test_bytes_are_stored_and_named(home: Home, name: str) -> None:
    data = name.encode()
    content = f"{home.base}/;content"
    here = f"{content}/{sha256(data)}"
    assert post(home.lee, content, [sha256(data)]) == {}
    assert home.lee.get(here).status == 404
    made = home.lee.put(here, data)
    assert made.status == 201
    described = {"sha256": sha256(data), "md5": hashlib.md5(data).hexdigest(), "length": len(data)}
    assert made.json == described
    assert post(home.lee, content, [sha256(data), sha256(b"?")]) == {sha256(data): len(data)}
    got = home.max.get(here)
    assert (got.status, got.body) == (200, data)
    assert home.max.get(here, range="bytes=1-2").body == data[1:3]
    assert home.max.get(here, if_none_match=got.headers["etag"]).status in (200, 304)
    upload = {**described, "name": f"/hatrac{name}", "content_type": "a/b", "filename": "é.txt"}
    (version,) = post(home.lee, f"{home.base}/;register", {"uploads": [upload]}, 201)
    stored = home.catalog.objects.stat(f"/hatrac{name}")
    assert stored.version == version["version"]
    assert (stored.content_type, stored.filename) == ("a/b", "é.txt")
    again = {"uploads": [upload], "reuse": True}
    assert post(home.lee, f"{home.base}/;register", again, 201) == [version]
    urls = [stored.url, "/hatrac/none:X"]
    assert post(home.max, f"{home.base}/;stat", urls) == {stored.url: version}


def test_wrong_bytes_are_refused_and_not_stored(home: Home, name: str) -> None:
    content = f"{home.base}/;content"
    wanted, other = sha256(name.encode()), b"other" + name.encode()
    assert home.lee.put(f"{content}/{wanted}", other).status == 400
    assert home.lee.post(f"{content}/add", pack_one(wanted, other)).status == 400
    long = pack_one(wanted, bytes(LONGEST + 1))
    assert home.lee.post(f"{content}/add", long).status == 400
    cut = pack_one(wanted, name.encode())[:-1]
    assert home.lee.post(f"{content}/add", cut).status == 400
    assert home.lee.post(f"{content}/add", cut[:20]).status == 400
    assert post(home.lee, content, [wanted, sha256(other)]) == {}
    for bad in ("zz", wanted.upper(), "../x", "..%2Fx"):
        assert home.lee.put(f"{content}/{bad}", b"1").status == 400


def test_only_stored_bytes_are_named_and_all_or_none(home: Home, name: str) -> None:
    data = name.encode()
    home.lee.put(f"{home.base}/;content/{sha256(data)}", data)
    good = {
        "name": f"/hatrac{name}",
        "sha256": sha256(data),
        "md5": hashlib.md5(data).hexdigest(),
        "length": len(data),
    }
    bad = [
        {**good, "sha256": sha256(b"none")},
        {**good, "length": len(data) + 1},
        {**good, "md5": "zz"},
        {**good, "name": 7},
        {**good, "name": "/elsewhere"},
        {**good, "name": f"/hatrac{name}/below"},
    ]
    for each in bad:
        answer = home.lee.post(f"{home.base}/;register", {"uploads": [good, each]})
        assert answer.status in (400, 409), each
    assert home.lee.get(f"{home.base}{name}").status == 404
    assert home.max.post(f"{home.base}/;register", {"uploads": [good]}).status == 403


def test_packs_take_and_give_many(home: Home, name: str) -> None:
    parts = [f"{name}{n}".encode() * n for n in range(50)]
    pack = b"".join(pack_one(sha256(part), part) for part in parts)
    added = post(home.lee, f"{home.base}/;content/add", pack)
    assert [each["sha256"] for each in added] == [sha256(part) for part in parts]
    wanted = [sha256(part) for part in reversed(parts)]
    answer = home.max.post(f"{home.base}/;content/get", wanted)
    assert answer.status == 200
    got = list(read_pack(io.BytesIO(answer.body)))
    assert got == [(sha256(part), part) for part in reversed(parts)]


def test_large_bytes_come_in_chunks_that_go_on(home: Home, name: str) -> None:
    data = (name.encode() * 10_000)[:100_000]
    plan = {"chunk-length": 30_000, "content-length": len(data), "content-sha256": sha256(data)}
    upload = f"{home.base}/;upload"
    job = post(home.lee, upload, plan, 201)["job"]
    for number in (3, 0):
        part = data[number * 30_000 : (number + 1) * 30_000]
        assert home.lee.put(f"{upload}/{job}/{number}", part).status == 204
    again = post(home.lee, upload, plan, 201)
    assert again["job"] == job
    assert again["chunks-received"] == [[0, 0], [3, 3]]
    assert home.lee.post(f"{upload}/{job}").status == 409
    for number in (1, 2):
        part = data[number * 30_000 : (number + 1) * 30_000]
        assert home.lee.put(f"{upload}/{job}/{number}", part).status == 204
    assert post(home.lee, f"{upload}/{job}", None, 201)["sha256"] == sha256(data)
    assert home.lee.get(f"{upload}/{job}").status == 404
    assert home.max.get(f"{home.base}/;content/{sha256(data)}").body == data
    assert home.max.post(upload, plan).status == 403


def test_digests_tell_nothing_to_those_who_may_not_read(home: Home, name: str) -> None:
    data = name.encode()
    digest = sha256(data)
    home.lee.put(f"{home.base}/;content/{digest}", data)
    for client, status in ((home.zoe, 403), (home.nobody, 401)):
        for answer in (
            client.get(f"{home.base}/;content/{digest}"),
            client.post(f"{home.base}/;content", [digest]),
            client.post(f"{home.base}/;content/get", [digest]),
            client.post(f"{home.base}/;stat", []),
        ):
            assert answer.status == status
    assert home.owner.get(f"/hatrac/;content/{digest}").status == 404  # a catalog's only
