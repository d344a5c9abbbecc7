"""What is written for a host, and where it leads."""

from __future__ import annotations

import pytest

from deriva_catalog.catalog import connect, create_catalog
from deriva_catalog.catalog.remote import parse_host
from deriva_catalog.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("lab.example", "https://lab.example"),
        ("lab.example:8443", "https://lab.example:8443"),
        ("https://lab.example/", "https://lab.example"),
        ("https://lab.example:443", "https://lab.example"),
        ("http://lab.example", "http://lab.example"),
        ("HTTPS://Lab.example", "https://lab.example"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("https://localhost:8443", "https://localhost:8443"),
    ],
)
def test_plain_http_is_for_this_machine_or_where_it_is_said(text: str, origin: str) -> None:
    assert parse_host(text).origin == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://lab.example",
        "https://",
        "https://lab.example/ermrest",
        "https://kim:secret@lab.example",
        "lab.example:port",
        "https://lab.example?x=1",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="no address of a server"):
        parse_host(text)


def test_a_server_needs_an_identifier_and_knows_who_asks() -> None:
    with pytest.raises(BadRequest, match="no identifier"):
        connect("localhost:1")
    with pytest.raises(BadRequest, match="knows by itself"):
        connect("localhost:1", "digits", client="kim")
    with pytest.raises(BadRequest, match="knows by itself"):
        create_catalog("localhost:1", client="kim")
