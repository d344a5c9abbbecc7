"""How errors are told. Source: ERMrest, "Error responses"."""

from __future__ import annotations

import pytest

from catalog_server import HttpClient


def test_an_error_is_one_line_of_plain_text(nobody: HttpClient) -> None:
    reply = nobody.get("/ermrest/nothing")
    assert reply.status == 404
    assert reply.headers["content-type"] == "text/plain"
    assert reply.text.startswith("Resource not found. Detail: There is nothing at ")
    assert reply.text.endswith("\n")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json, text/plain, */*", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html;q=0.5, text/plain;q=0.6", "text/plain"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html", "text/html"),
        ("image/png", "text/plain"),
    ],
)
def test_html_only_for_those_who_prefer_it(
    nobody: HttpClient, accept: str, media_type: str
) -> None:
    reply = nobody.get("/ermrest/%3Cb%3E", accept=accept)
    assert reply.headers["content-type"] == media_type
    assert b"<b>" not in reply.body


def test_a_wrong_method_names_the_right_ones(nobody: HttpClient) -> None:
    reply = nobody.delete("/ermrest/")
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS"
    assert reply.text.startswith("Request method not allowed on this resource. Detail: ")


def test_traces_of_a_browser_are_accepted(nobody: HttpClient) -> None:
    assert nobody.head("/ermrest/client_action").status == 204
    assert nobody.put("/ermrest/catalog/1/entity/x/terminal_error").status == 204
