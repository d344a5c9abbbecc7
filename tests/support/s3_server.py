"""A server that speaks the S3 protocol, on loopback, with a bucket for each test."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "something"}
"""The environment that its users need."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of a running server, and what is in it."""

    port: int
    name: str
    admin: Any

    def url(self, prefix: str = "lab", port: int | None = None) -> str:
        """The URL of a store in the bucket, perhaps through another port."""
        endpoint = f"http://127.0.0.1:{self.port if port is None else port}"
        return f"s3://{self.name}/{prefix}?endpoint={endpoint}&region=us-east-1"

    def all_keys(self) -> list[str]:
        """All keys, sorted."""
        pages = self.admin.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def contents(self) -> set[str]:
        """The SHA-256 of what is stored."""
        return {key[-64:] for key in self.all_keys() if re.search("/sha256/../[0-9a-f]{64}$", key)}

    def unfinished(self) -> list[str]:
        """The keys that parts were sent for, and nothing else."""
        found = self.admin.list_multipart_uploads(Bucket=self.name)
        return [each["Key"] for each in found.get("Uploads", ())]


class S3Server:
    """The server; buckets are made on it."""

    def __init__(self, url: str) -> None:
        import boto3

        self.port = int(urlsplit(url).port or 0)
        self._admin = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )

    def bucket(self) -> Bucket:
        """A fresh bucket."""
        name = f"b{uuid.uuid4().hex}"
        self._admin.create_bucket(Bucket=name)
        return Bucket(self.port, name, self._admin)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server; its users find their credentials in the environment."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        host, port = server.get_host_and_port()
        try:
            yield S3Server(f"http://{host}:{port}")
        finally:
            server.stop()
