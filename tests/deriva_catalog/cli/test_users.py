"""Keeping accounts and groups from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from authn_server import PASSWORD
from deriva_catalog.cli import main
from deriva_catalog.server.authn.sessions import Sessions
from terminal import Terminal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def logged_in(home: Path, name: str, password: str = PASSWORD) -> bool:
    sessions = Sessions.of_home(home)
    try:
        return sessions.log_in(name, password, None) is not None
    finally:
        sessions.close()


def test_an_account_through_its_life(terminal: Terminal, home: Path) -> None:
    add = ("user", "add", "kim", "--full-name", "Kim Doe", "--password-stdin")
    assert "can log in" in terminal.run(*add, typed=f"{PASSWORD}\n")
    assert (home / "service.db").stat().st_mode & 0o077 == 0
    (kim,) = terminal.json("user", "list")
    assert (kim["name"], kim["full_name"], kim["has_password"]) == ("kim", "Kim Doe", True)
    assert "Kim Doe" in terminal.run("user", "list")
    assert logged_in(home, "kim")
    terminal.run("user", "passwd", "kim", "--password-stdin", typed="another password\n")
    assert not logged_in(home, "kim")
    assert logged_in(home, "kim", "another password")
    assert terminal.json("user", "lock", "kim") == {"name": "kim", "locked": True}
    assert not logged_in(home, "kim", "another password")
    terminal.run("user", "unlock", "kim")
    assert logged_in(home, "kim", "another password")
    assert "removed" in terminal.run("user", "remove", "kim")
    assert terminal.json("user", "list") == []
    assert "no accounts yet" in terminal.run("user", "list")
    assert not logged_in(home, "kim", "another password")


def test_a_name_that_was_used_is_not_given_to_another_by_accident(terminal: Terminal) -> None:
    terminal.run("user", "add", "kim", "--no-password")
    assert "already" in terminal.run("user", "add", "KIM", "--no-password", status=2)
    terminal.run("user", "remove", "kim")
    assert "used before" in terminal.run("user", "add", "kim", "--no-password", status=2)
    terminal.run("user", "add", "kim", "--no-password", "--again")


@pytest.mark.parametrize(
    ("name", "typed", "problem"),
    [
        ("kim", "short\n", "too short"),
        ("kim", "x" * 1025 + "\n", "too long"),
        ("kimberley", "Kimberley\n", "its name"),
        ("kim", "\n", "empty"),
        ("", f"{PASSWORD}\n", "cannot be"),
        ("*", f"{PASSWORD}\n", "cannot be"),
        ("group:x", f"{PASSWORD}\n", "cannot be"),
        ("a/b", f"{PASSWORD}\n", "cannot be"),
    ],
)
def test_what_cannot_be_an_account_makes_none(
    terminal: Terminal, name: str, typed: str, problem: str
) -> None:
    told = terminal.run("user", "add", name, "--password-stdin", typed=typed, status=2)
    assert problem in told
    assert terminal.json("user", "list") == []


def test_without_a_terminal_a_password_needs_a_pipe(terminal: Terminal) -> None:
    assert "-stdin" in terminal.run("user", "add", "kim", status=2)


def test_who_is_not_there_is_told_with_who_is(terminal: Terminal) -> None:
    terminal.run("user", "add", "kim", "--no-password")
    assert "'kim'" in terminal.run("user", "lock", "kin", status=2)
    assert "no account" in terminal.run(
        "user", "passwd", "x", "--password-stdin", typed=f"{PASSWORD}\n", status=2
    )
    assert "no account" in terminal.run("user", "remove", "x", status=2)
    assert "no account" in terminal.run("user", "link", "x", status=2)


def test_a_link_logs_in_once(terminal: Terminal, home: Path) -> None:
    terminal.run("user", "add", "kim", "--no-password")
    url = terminal.run("user", "link", "kim", "--url", "https://lab.example/").strip()
    assert url.startswith("https://lab.example/authn/link?token=deriva_l_")
    sessions = Sessions.of_home(home)
    try:
        secret = url.partition("=")[2]
        assert sessions.log_in_by_link(secret, None) is not None
        assert sessions.log_in_by_link(secret, None) is None
    finally:
        sessions.close()


def test_a_link_leads_to_where_people_reach_the_service(terminal: Terminal, home: Path) -> None:
    terminal.run("user", "add", "kim", "--no-password")
    assert terminal.run("user", "link", "kim").startswith("http://localhost:8080/authn/")
    (home / "authn.toml").write_text('public_url = "https://lab.example"\n')
    assert terminal.run("user", "link", "kim").startswith("https://lab.example/authn/")
    told = terminal.run("user", "link", "kim", "--url", "https://other.example")
    assert told.startswith("https://other.example/authn/")


def test_groups_and_their_members(terminal: Terminal) -> None:
    terminal.run("user", "add", "kim", "--no-password")
    added = terminal.run("group", "add", "lab", "kim", "https://idp.example/ada", "--title", "Lab")
    assert "group:lab" in added
    assert terminal.json("group", "list") == [
        {"name": "lab", "title": "Lab", "members": ["https://idp.example/ada", "kim"]}
    ]
    assert "no account" in terminal.run("group", "add", "lab", "nobody", status=2)
    assert "no groups" in terminal.run("group", "add", "lab", "group:other", status=2)
    terminal.run("group", "remove", "lab", "kim")
    assert "not in the group" in terminal.run("group", "remove", "lab", "kim", status=2)
    assert terminal.json("group", "list")[0]["members"] == ["https://idp.example/ada"]
    terminal.run("group", "remove", "lab")
    assert terminal.json("group", "list") == []
    assert "no groups yet" in terminal.run("group", "list")
    assert "no group" in terminal.run("group", "remove", "lab", status=2)


def test_another_home_has_other_accounts(terminal: Terminal, tmp_path: Path) -> None:
    elsewhere = ("--home", str(tmp_path / "elsewhere"))
    terminal.run("user", "add", "kim", "--no-password", *elsewhere)
    assert terminal.json("user", "list") == []
    assert [a["name"] for a in terminal.json("user", "list", *elsewhere)] == ["kim"]


@pytest.mark.parametrize("words", [["user"], ["user", "add"], ["group"], ["login"], ["token"]])
def test_help_teaches(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    assert "--json" in capsys.readouterr().out
