"""Where what is written down about a catalog leads."""

from __future__ import annotations

import pytest

from deriva_ml.core.host import web_address


@pytest.mark.parametrize(
    ("hostname", "catalog_url", "expected"),
    [
        ("lab.example.org", "https://lab.example.org/ermrest/catalog/1", "https://lab.example.org"),
        ("localhost:8080", "http://localhost:8080/ermrest/catalog/1", "http://localhost:8080"),
        ("lab.example.org", "file:///bags/1-ABC", "https://lab.example.org"),
        ("http://localhost:8080", "file:///bags/1-ABC", "http://localhost:8080"),
        ("localhost", "file:///home/kim/catalogs/1", "https://localhost"),
        ("/data/lab", "file:///data/lab", "https://localhost"),
        ("postgresql://kim@db/lab", "postgresql://kim@db/lab#1", "https://localhost"),
    ],
)
def test_a_link_begins_with_a_host(hostname: str, catalog_url: str, expected: str) -> None:
    assert web_address(hostname, catalog_url) == expected
