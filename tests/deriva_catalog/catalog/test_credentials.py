"""The file in which clients keep what proves who they are."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.catalog.credentials import (
    authentication_headers,
    credential_file,
    credential_for,
    entry_of,
    forget_credential,
    host_key,
    keep_credential,
    known_hosts,
)
from deriva_catalog.errors import BadRequest, Corrupted, Unavailable

SOURCE = Path(__file__).parents[3] / "src"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DERIVA_TOKEN", "DERIVA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DERIVA_CREDENTIAL_FILE", str(tmp_path / "deriva" / "credential.json"))
    return tmp_path / "deriva" / "credential.json"


def test_the_file_lies_where_deriva_clients_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DERIVA_CREDENTIAL_FILE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert credential_file() == tmp_path / ".deriva" / "credential.json"


def test_what_is_kept_is_found_and_only_its_owner_may_read_it(file: Path) -> None:
    keep_credential("lab.example.org", {"cookie": "webauthn=abc"})
    assert credential_for("lab.example.org") == {"cookie": "webauthn=abc"}
    assert json.loads(file.read_text()) == {"lab.example.org": {"cookie": "webauthn=abc"}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_when_it_is_written(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("{}")
    file.chmod(0o644)
    keep_credential("lab.example.org", {"cookie": "webauthn=abc"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_other_hosts_and_unknown_members_stay(file: Path) -> None:
    file.parent.mkdir()
    others = {"a.example": {"cookie": "webauthn=1", "other": [1]}, "b.example": "odd"}
    file.write_text(json.dumps(others))
    keep_credential("lab.example.org", {"bearer-token": "t"})
    assert json.loads(file.read_text()) == {**others, "lab.example.org": {"bearer-token": "t"}}
    assert forget_credential("lab.example.org") is True
    assert forget_credential("lab.example.org") is False
    assert json.loads(file.read_text()) == others
    assert known_hosts() == ["a.example", "b.example"]
    assert credential_for("b.example") is None


def test_what_renews_a_token_is_not_handed_out(file: Path) -> None:
    keep_credential("lab.example.org", {"bearer-token": "t", "refresh-token": "r"})
    assert credential_for("lab.example.org") == {"bearer-token": "t"}
    assert entry_of("lab.example.org")["refresh-token"] == "r"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("Lab.Example.org", "lab.example.org"),
        ("https://lab.example.org/ermrest", "lab.example.org"),
        ("https://lab.example.org:443", "lab.example.org"),
        ("lab.example.org:443", "lab.example.org"),
        ("http://localhost:80", "localhost"),
        ("http://localhost:8080", "localhost:8080"),
        ("localhost:8080", "localhost:8080"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_a_host_has_one_name(given: str, key: str) -> None:
    assert host_key(given) == key


@pytest.mark.parametrize("given", ["", "https://", "host:port", "https://user:secret@host"])
def test_what_is_no_host_is_refused(given: str) -> None:
    with pytest.raises(BadRequest, match="no host name"):
        host_key(given)


def test_another_port_is_another_server(file: Path) -> None:
    keep_credential("localhost:8080", {"cookie": "webauthn=abc"})
    assert credential_for("localhost:8081") is None
    assert credential_for("localhost") is None
    assert credential_for("http://localhost:8080/") == {"cookie": "webauthn=abc"}


def test_the_environment_goes_first_for_its_host_only(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_credential("lab.example.org", {"cookie": "webauthn=abc"})
    keep_credential("a.example", {"cookie": "webauthn=other"})
    monkeypatch.setenv("DERIVA_TOKEN", "from-the-environment")
    with pytest.raises(BadRequest, match="DERIVA_HOST"):
        credential_for("lab.example.org")
    monkeypatch.setenv("DERIVA_HOST", "https://Lab.Example.org")
    assert credential_for("lab.example.org") == {"bearer-token": "from-the-environment"}
    assert credential_for("a.example") == {"cookie": "webauthn=other"}


def test_headers_carry_the_cookie_before_the_token() -> None:
    assert authentication_headers(None) == {}
    assert authentication_headers({"cookie": "webauthn=a"}) == {"Cookie": "webauthn=a"}
    assert authentication_headers({"bearer-token": "t"}) == {"Authorization": "Bearer t"}
    given: Any
    for given in ("deriva_t_1", {"token": "deriva_t_1"}, {"bearer-token": 5}):
        with pytest.raises(BadRequest, match="bearer-token") as caught:
            authentication_headers(given)
        assert "deriva_t_1" not in str(caught.value)
    both = authentication_headers({"cookie": "webauthn=a", "bearer-token": "t"})
    assert both == {"Cookie": "webauthn=a"}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'"text"'])
def test_a_damaged_file_is_told_and_left_alone(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(Corrupted, match="damaged"):
        credential_for("lab.example.org")
    with pytest.raises(Corrupted, match="damaged"):
        keep_credential("lab.example.org", {"cookie": "webauthn=abc"})
    assert file.read_bytes() == content
    assert [p.name for p in file.parent.glob(".credential.json.*")] == [".credential.json.lock"]


def test_an_entry_without_a_credential_is_refused_and_writes_nothing(file: Path) -> None:
    for entry in ({}, {"cookie": ""}, {"bearer-token": None}, {"password": "x"}):
        with pytest.raises(BadRequest, match="neither"):
            keep_credential("lab.example.org", entry)
    assert not file.parent.exists()


def test_a_file_that_cannot_be_written_is_told(file: Path) -> None:
    file.parent.parent.mkdir(exist_ok=True)
    file.parent.write_text("no directory")
    with pytest.raises(Unavailable, match="cannot be used"):
        keep_credential("lab.example.org", {"cookie": "webauthn=abc"})


def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.json"
    real.write_text("{}")
    file.parent.mkdir()
    file.symlink_to(real)
    keep_credential("lab.example.org", {"cookie": "webauthn=abc"})
    assert file.is_symlink()
    assert "lab.example.org" in json.loads(real.read_text())


def test_processes_that_write_at_once_lose_nothing(file: Path) -> None:
    write = (
        "import sys; from deriva_catalog.catalog.credentials import keep_credential\n"
        "sys.stdin.readline()\n"
        "for n in range(10): keep_credential(f'{sys.argv[1]}{n}.example', {'cookie': 'webauthn=1'})"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", write, name],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        for name in ("a", "b", "c")
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait(30) for process in running] == [0, 0, 0]
    assert len(known_hosts()) == 30
