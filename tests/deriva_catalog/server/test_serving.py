"""``deriva-catalog serve``: processes, TLS, sockets, configuration."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from catalog_server import HttpClient, Tokens
from deriva_catalog.catalog import Registry
from deriva_catalog.cli import main
from deriva_catalog.errors import BadRequest, NotFound, Unavailable
from deriva_catalog.server.certificates import own_certificate
from deriva_catalog.server.configuration import Configuration, read_configuration
from deriva_catalog.server.running import listening_unix
from deriva_catalog.server.settings import Settings
from deriva_catalog.server.tokenfile import TokenFile
from serve_command import serve_process


def test_it_serves_this_machines_catalogs_until_it_is_told_to_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Registry(tmp_path).create(alias="digits").close()
    tokens = Tokens(tmp_path / "tokens.json")
    with serve_process(tmp_path, "--tokens-file", str(tokens.path)) as served:
        assert served.told["url"] == f"http://localhost:{served.port}"
        assert served.told["catalogs"] == ["digits"]
        with HttpClient(served.port, tokens.add(served.told["user"])) as me:
            found = me.get("/ermrest/catalog/digits")
            assert found.json["rights"]["owner"] is True  # who made it embedded owns it served
        _, _, link = served.told["login_url"].partition(f":{served.port}")
        with HttpClient(served.port) as browser:
            page = browser.get(link, accept="text/html")
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        here = ("--home", str(tmp_path))
        assert main(["user", "link", served.told["user"], *here]) == 0
        assert capsys.readouterr().out.startswith(f"{served.told['url']}/authn/link?token=")
        assert served.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", served.port))


def counted(client: HttpClient) -> int:
    """How many requests for catalogs were answered."""
    told = client.get("/metrics").text
    found = re.findall(
        r'^deriva_requests_total.*resource="(?:catalog|model|service)"} (\d+)$', told, re.M
    )
    return sum(map(int, found))


def test_processes_share_the_work_and_are_replaced(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    token = tokens.add("kim")
    with serve_process(tmp_path, "--workers", "2", "--tokens-file", str(tokens.path)) as served:
        with HttpClient(served.port, token) as client:
            cat = client.post("/ermrest/catalog").headers["location"]
            while counted(client) < 1:
                pass
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
        first = set(children.read_text().split())
        assert len(first) == 2
        for child in first:
            os.kill(int(child), signal.SIGKILL)
            while child in children.read_text().split():
                pass
        with HttpClient(served.port, token) as fresh:
            assert fresh.get(cat).status == 200
            assert fresh.get(f"{cat}/schema").status == 200
            while counted(fresh) < 3:  # also what a process counted that is gone
                pass
        assert served.stop() == 0


def test_processes_stop_when_the_one_that_watches_over_them_is_killed() -> None:
    script = """if True:
        import signal
        from deriva_catalog.server.workers import work_together

        def work(number):
            print("at work", flush=True)
            signal.pause()
            return 0

        work_together(2, work, 1.0)
    """
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert [watching.stdout.readline() for _ in range(2)] == ["at work\n"] * 2
        watching.kill()
        watching.communicate(timeout=60)  # ends when no process can write to it any more


def test_its_own_certificate_is_good_for_localhost(tmp_path: Path) -> None:
    with serve_process(tmp_path, "--tls") as served:
        assert served.told["url"].startswith("https://localhost:")
        context = ssl.create_default_context(cafile=served.told["certificate"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        for host in ("localhost", "127.0.0.1"):
            connection = http.client.HTTPSConnection(host, served.port, context=context, timeout=20)
            connection.request("GET", "/ermrest/")
            assert connection.getresponse().status == 200
            connection.close()


def test_a_certificate_is_kept_and_its_key_is_private(tmp_path: Path) -> None:
    cert, key = own_certificate(tmp_path / "tls")
    before = cert.read_bytes()
    assert own_certificate(tmp_path / "tls") == (cert, key)
    assert cert.read_bytes() == before
    assert key.stat().st_mode & 0o077 == 0
    cert.write_text("damaged")
    own_certificate(tmp_path / "tls")
    assert cert.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_socket_in_the_file_system(tmp_path: Path) -> None:
    place = tmp_path / "s"
    log = tmp_path / "access.log"
    with serve_process(tmp_path, "--unix-socket", str(place), "--access-log", str(log)) as served:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(place))
            head = b"GET /ermrest/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n"
            connection.sendall(head + b"Connection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert served.stop() == 0
    assert not place.exists()
    assert '"address":"203.0.113.9"' in log.read_text()


def test_a_socket_in_use_is_left_alone_and_an_abandoned_one_is_not(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with listening_unix(place), pytest.raises(Unavailable, match="cannot listen"):
        listening_unix(place)
    listening_unix(place).close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Unavailable):
        listening_unix(tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "without TLS|could listen to passwords"),
        (["--host", "192.0.2.1", "--insecure"], "cannot listen at"),
        (["--cert", "missing.pem"], "go together"),
        (["--cert", "missing.pem", "--key", "missing.key"], "cannot be used with the key"),
        (["--workers", "0"], "at least 1"),
        (["--port", "-1"], "no port"),
        (["--config", "missing.toml"], "There is no configuration file"),
        (["--tokens-file", "missing.json"], "cannot be read"),
        (["--database", "mysql://x"], "mysql"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    assert main(["serve", "--port", "0", *options]) in (1, 2)
    assert re.search(told, capsys.readouterr().err)


# --- configuration -------------------------------------------------------------------------


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "service.toml").write_text(
        'port = 1\nworkers = 2\nquery_seconds = 3\ncreators = ["a"]\ncompress = false\n'
    )
    environment = {
        "DERIVA_SERVICE_WORKERS": "4",
        "DERIVA_SERVICE_ORIGINS": "https://a.example, https://b.example",
        "DERIVA_SERVICE_QUERY_SECONDS": "2.5",
        "OTHER": "x",
    }
    found = read_configuration(tmp_path, None, environment, {"query_seconds": 1.5, "host": None})
    assert (found.port, found.host) == (1, "127.0.0.1")
    assert found.settings.workers == 4
    assert found.settings.query_seconds == 1.5
    assert found.settings.creators == ("a",)
    assert found.settings.compress is False
    assert found.settings.origins == ("https://a.example", "https://b.example")


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    assert read_configuration(tmp_path, None, {}, {}) == Configuration()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "Did you mean 'port'"),
        ("port = 'x'", "cannot be 'x'"),
        ("port = true", "cannot be True"),
        ("port = 70000", "no port"),
        ("port = -1", "cannot be -1"),
        ("query_seconds = 0", "more than 0"),
        ("query_seconds = inf", "cannot be inf"),
        ("host = ''", "cannot be ''"),
        ("creators = 'a'", "cannot be 'a'"),
        ("log_level = 'loud'", "cannot be 'loud'"),
        ("trusted_proxies = ['x']", "no address or network"),
        ("host = '0.0.0.0'", "could listen"),
        ("tls = true\ncert = 'a'\nkey = 'b'", "leave it out"),
        ("port =", "no TOML"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "service.toml").write_text(text)
    with pytest.raises(BadRequest, match=told):
        read_configuration(tmp_path, None, {}, {})


@pytest.mark.parametrize("text", ["x", "1.5", ""])
def test_so_is_one_in_the_environment(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match="DERIVA_SERVICE_PORT"):
        read_configuration(tmp_path, None, {"DERIVA_SERVICE_PORT": text}, {})
    with pytest.raises(NotFound):
        read_configuration(tmp_path, tmp_path / "missing.toml", {}, {})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.9", "::1"])
def test_loopback_needs_no_tls(tmp_path: Path, host: str) -> None:
    assert read_configuration(tmp_path, None, {}, {"host": host}).host == host


# --- files of tokens -------------------------------------------------------------------------


def test_a_file_of_tokens_is_read_again_when_it_changes(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    one = tokens.add("one", groups=["g"])
    sessions = TokenFile(tokens.path)
    assert sessions.client_of({"authorization": f"Bearer {one}"}).roles == {"*", "one", "g"}
    two = tokens.add("two")
    assert sessions.client_of({"cookie": f"a=b; webauthn={two}"}).id == "two"
    tokens.path.write_text("half a fi")
    assert sessions.client_of({"authorization": f"bearer {two}"}).id == "two"
    tokens.path.write_text("[]")
    assert sessions.client_of({"authorization": f"Bearer {two}"}).is_anonymous
    assert sessions.client_of({"authorization": "Basic x"}).is_anonymous


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"client": {}}]', "nonsense"])
def test_a_file_that_holds_no_tokens_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens.json").write_text(text)
    with pytest.raises(BadRequest, match="malformed"):
        TokenFile(tmp_path / "tokens.json")


def test_each_setting_is_in_the_manual() -> None:
    page = (Path(__file__).parents[3] / "docs" / "catalog" / "service.md").read_text()
    names = {f.name for kind in (Configuration, Settings) for f in fields(kind)} - {"settings"}
    assert {name for name in names if f"`{name}`" not in page} == set()
