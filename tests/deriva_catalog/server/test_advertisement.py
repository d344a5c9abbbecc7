"""What the service says about itself. Source: ERMrest, "Service advertisement"."""

from __future__ import annotations

import pytest

from catalog_server import HttpClient


@pytest.mark.parametrize("target", ["/ermrest", "/ermrest/"])
def test_it_needs_no_login(nobody: HttpClient, target: str) -> None:
    reply = nobody.get(target)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["version"] == "0.5.0"
    assert reply.json["features"]["quantified_value_lists"] is True


def test_head_is_get_without_its_body(nobody: HttpClient) -> None:
    full, head = nobody.get("/ermrest/"), nobody.head("/ermrest/")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(full.body))
