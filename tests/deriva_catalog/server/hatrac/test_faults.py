"""What goes wrong with objects over HTTP: killed servers and clients, full disks, races."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.catalog.remote import open_remote, parse_host
from deriva_catalog.catalog.remote.catalog import RemoteCatalog
from deriva_catalog.catalog.remote.contents import CHUNK
from deriva_catalog.errors import CatalogError, Conflict, Corrupted, Unavailable
from deriva_catalog.objects.idle import expire
from relay import Relay
from service_process import ServiceProcess

USER = default_client()
DATA = hashlib.shake_128(b"data").digest(2 * CHUNK + 5)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalCatalog]:
    """A catalog in a home, in this process."""
    catalog = Registry(tmp_path / "home").create(catalog_id="zoo")
    yield catalog
    catalog.close()


@pytest.fixture
def service(local: LocalCatalog, tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service of that home, in a process of its own."""
    with ServiceProcess(tmp_path / "home") as process:
        yield process


@pytest.fixture
def beside(local: LocalCatalog, tmp_path: Path) -> Iterator[Served]:
    """A service of that home, in this process."""
    with serving(tmp_path / "home") as running:
        yield running


def connected(service: ServiceProcess | Served, port: int | None = None) -> RemoteCatalog:
    """The catalog over HTTP, perhaps through another port."""
    token = service.tokens.add(USER) if isinstance(service, Served) else service.token(USER)
    host = parse_host(f"http://localhost:{service.port if port is None else port}")
    return open_remote(host, "zoo", credential={"bearer-token": token})


def leftovers(objects: Path) -> list[Path]:
    return [*objects.glob("incoming/*"), *objects.glob("uploads/*/*")]


def test_a_killed_server_goes_on_with_an_upload(
    service: ServiceProcess, local: LocalCatalog
) -> None:
    client = service.client(USER)
    base = "/ermrest/catalog/zoo"
    plan = {"chunk-length": 1000, "content-length": 2500}
    job = client.post(f"{base}/hatrac/a;upload", plan).headers["location"]
    assert client.put(f"{job}/0", DATA[:1000]).status == 204
    assert client.put(f"{job}/2", DATA[2000:2500]).status == 204
    service.kill()
    service.start()
    again = service.client(USER)
    assert again.get(f"{base}/hatrac/a").status == 409
    assert again.get(job).json["chunks-received"] == [[0, 0], [2, 2]]
    assert again.put(f"{job}/1", DATA[1000:2000]).status == 204
    assert again.post(job).status == 201
    assert local.objects.read("/hatrac/a") == DATA[:2500]
    assert leftovers(local.directory / "objects") == []


def test_a_server_killed_in_a_body_leaves_nothing(
    service: ServiceProcess, local: LocalCatalog
) -> None:
    token = service.token(USER)
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = (
            "PUT /ermrest/catalog/zoo/hatrac/a HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(DATA)}\r\n\r\n"
        )
        connection.sendall(head.encode() + DATA[: len(DATA) // 2])
        service.kill()
    service.start()
    assert local.objects.names() == []
    assert list(local.objects.content.digests()) == []
    local.objects.content.sweep(timedelta(0))
    assert leftovers(local.directory / "objects") == []


def test_a_broken_put_goes_on_where_it_was(
    service: ServiceProcess, local: LocalCatalog, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(DATA)
    catalog = connected(service)
    told: list[int] = []

    def kill_after_one(count: int) -> None:
        told.append(count)
        if len(told) == 1:
            service.kill()

    with pytest.raises(Unavailable):
        catalog.objects.put("/hatrac/a", tmp_path / "file", progress=kill_after_one)
    assert local.objects.names() == []
    service.start()
    assert len(list((local.directory / "objects").glob("uploads/*/*"))) >= 1
    put = catalog.objects.put("/hatrac/a", tmp_path / "file")
    assert put.sha256 == hashlib.sha256(DATA).hexdigest()
    assert local.objects.stat("/hatrac/a") == put
    local.objects.content.check(put.sha256)
    local.objects.content.sweep(timedelta(0))  # what the killed server was writing
    assert leftovers(local.directory / "objects") == []
    catalog.close()


def test_what_was_sent_is_not_sent_again_unless_it_is_wrong(
    beside: Served, local: LocalCatalog
) -> None:
    catalog = connected(beside)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalog.objects.put("/hatrac/a", DATA, progress=stop)
    sent = next((local.directory / "objects").glob("uploads/*/*"))
    sent.write_bytes(bytes(sent.stat().st_size))
    with pytest.raises(Conflict, match="of upload"):
        catalog.objects.put("/hatrac/a", DATA)
    assert local.objects.names() == []
    catalog.objects.put("/hatrac/a", DATA)
    assert local.objects.read("/hatrac/a") == DATA
    catalog.close()


def test_a_file_that_shrinks_while_it_is_sent_is_told(
    beside: Served, local: LocalCatalog, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(DATA)
    catalog = connected(beside)

    def shrink(_: int) -> None:
        with (tmp_path / "file").open("r+b") as file:
            file.truncate(CHUNK + 5)

    with pytest.raises(Corrupted, match="early"):
        catalog.objects.content.add(tmp_path / "file", check=lambda found: shrink(found.length))
    assert list(local.objects.content.digests()) == []
    (tmp_path / "file").write_bytes(DATA)
    assert catalog.objects.content.add(tmp_path / "file").length == len(DATA)
    catalog.close()


def test_a_full_disk_is_told_and_leaves_nothing(local: LocalCatalog, tmp_path: Path) -> None:
    with ServiceProcess(tmp_path / "home", longest_file=3_000_000) as full:
        client, base = full.client(USER), "/ermrest/catalog/zoo/hatrac"
        for data in (DATA[:3_500_000], DATA[:9_000_000]):
            refused = client.put(f"{base}/a", data)
            assert refused.status == 503
        plan = {"chunk-length": 1_000_000, "content-length": 5_000_000}
        job = client.post(f"{base}/a;upload", plan).headers["location"]
        for n in range(5):
            part = DATA[n * 1_000_000 : (n + 1) * 1_000_000]
            assert client.put(f"{job}/{n}", part).status == 204
        assert client.post(job).status == 503
        assert client.get(f"{base}/a").status == 409
        assert client.get(job).status == 200
        assert client.put(f"{base}/b", b"small").status == 201
    objects = local.directory / "objects"
    assert list(objects.glob("incoming/*")) == []
    with ServiceProcess(tmp_path / "home") as roomy:
        assert roomy.client(USER).post(job).status == 201
    assert local.objects.read("/hatrac/a") == DATA[:5_000_000]


def test_a_killed_client_leaves_a_job_that_expires(
    beside: Served, local: LocalCatalog, tmp_path: Path
) -> None:
    catalog = connected(beside)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(DATA)
    with pytest.raises(KeyboardInterrupt):
        catalog.objects.put("/hatrac/a", tmp_path / "file", progress=stop)
    catalog.close()
    assert local.objects.names() == []
    assert leftovers(local.directory / "objects") != []
    assert expire(local.objects, timedelta(days=1)) == 0
    assert expire(local.objects, timedelta(0)) == 1
    assert leftovers(local.directory / "objects") == []


def test_damage_on_the_server_is_not_handed_out(
    beside: Served, local: LocalCatalog, tmp_path: Path
) -> None:
    put = local.objects.put("/hatrac/a", DATA[:100_000])
    stored = local.objects.content.path(put.sha256)
    assert stored is not None
    stored.chmod(0o644)
    with stored.open("r+b") as file:
        file.seek(50_000)
        file.write(b"damaged")
    catalog = connected(beside)
    for get in (
        lambda: catalog.objects.get(put.url, tmp_path / "copy"),
        lambda: catalog.objects.content.get(put.content, tmp_path / "copy"),
        lambda: catalog.objects.content.check(put.sha256),
    ):
        with pytest.raises(Corrupted):
            get()
    assert list(tmp_path.glob("copy*")) == []
    assert list(tmp_path.glob(".*")) == []
    catalog.close()


def test_two_writers_of_one_name_make_two_versions(
    served: Served, kim: HttpClient, name: str
) -> None:
    clients = [HttpClient(served.port, kim.token) for _ in range(8)]
    barrier = threading.Barrier(len(clients))

    def write(client: HttpClient) -> int:
        barrier.wait()
        return client.put(name, client.port.to_bytes(4, "big") * 1000).status

    with ThreadPoolExecutor(len(clients)) as pool:
        assert list(pool.map(write, clients)) == [201] * len(clients)
    for client in clients:
        client.close()
    versions = kim.get(f"{name};versions").json
    assert len(set(versions)) == len(clients)
    assert kim.get(name).headers["content-location"] == versions[0]


def test_one_of_two_conditional_writers_wins(served: Served, kim: HttpClient, name: str) -> None:
    clients = [HttpClient(served.port, kim.token) for _ in range(8)]
    barrier = threading.Barrier(len(clients))

    def write(client: HttpClient) -> int:
        barrier.wait()
        return client.put(name, b"mine", if_none_match="*").status

    with ThreadPoolExecutor(len(clients)) as pool:
        statuses = sorted(pool.map(write, clients))
    for client in clients:
        client.close()
    assert statuses == [201] + [412] * (len(clients) - 1)


def test_a_download_that_breaks_off_goes_on(
    beside: Served, local: LocalCatalog, tmp_path: Path
) -> None:
    put = local.objects.put("/hatrac/a", DATA)
    with Relay(beside.port, cut_answers_after=len(DATA) // 3, cuts=1) as relay:
        catalog = connected(beside, relay.port)
        told: list[int] = []
        catalog.objects.get(put.url, tmp_path / "copy", progress=told.append)
        catalog.close()
    assert (tmp_path / "copy").read_bytes() == DATA
    assert sum(told) == len(DATA)
    assert relay.cuts == 0


def test_refusals_reach_the_client_as_they_were(beside: Served, local: LocalCatalog) -> None:
    catalog = connected(beside)
    local.objects.put("/hatrac/a", b"1")
    for act in (
        lambda o: o.stat("/hatrac/none"),
        lambda o: o.put("/hatrac/a/b", b"1"),
        lambda o: o.put("/hatrac/x/y", b"1", parents=False),
        lambda o: o.names("/hatrac/a"),
    ):
        caught: list[CatalogError] = []
        for objects in (local.objects, catalog.objects):
            with pytest.raises(CatalogError) as error:
                act(objects)
            caught.append(error.value)
        assert type(caught[0]) is type(caught[1])
        assert caught[1].message
    catalog.close()
