"""An OpenID Connect provider that really is one, and a browser to log in with.

The provider is npm's ``oidc-provider``, which ``make`` installs below the environment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

NODE_MODULES = Path(os.environ.get("NODE_MODULES") or Path(sys.prefix) / "node" / "node_modules")
_SCRIPT = Path(__file__).with_name("oidc_provider.mjs")

_FORM = re.compile(r'<form [^>]*method="post" action="([^"]+)"')
_HIDDEN = re.compile(r'type="hidden" name="(\w+)" value="([^"]*)"')

SECRET = "a secret: with signs"


def needs_node() -> None:
    """Skip where the provider cannot run."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (NODE_MODULES / "oidc-provider").is_dir():
        pytest.skip("npm's oidc-provider is not installed; 'make test' does that")


@contextmanager
def oidc_provider(callbacks: Sequence[str]) -> Iterator[str]:
    """Run a provider that sends browsers back to `callbacks`; gives its issuer."""
    command = ["node", str(_SCRIPT), str(NODE_MODULES), *callbacks]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(process.communicate()[1])
        yield str(json.loads(line)["issuer"])
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.close()


class Browser:
    """Follows redirects and keeps cookies of each host, as browsers do; `person` logs in."""

    def __init__(self, person: str | None = "kim") -> None:
        headers = {"x-person": person} if person else {}
        self.http = httpx.Client(headers=headers, timeout=30)
        self.seen: list[str] = []

    def go(self, url: str, *, stop: str | None = None) -> httpx.Response:
        """Open a page; stops before the first redirect to a URL that begins with `stop`."""
        reply = self.http.get(url)
        for _ in range(20):
            if not reply.is_redirect:
                return reply
            target = str(reply.url.join(reply.headers["location"]))
            self.seen.append(target)
            if stop is not None and target.startswith(stop):
                return reply
            reply = self.http.get(target)
        raise AssertionError(f"too many redirects: {reply.url}")

    def agree(self, url: str) -> httpx.Response:
        """Open a page and send its forms as they are, until there is none."""
        page = self.go(url)
        for _ in range(8):
            form = _FORM.search(page.text)
            if form is None:
                break
            target = page.url.join(form[1])
            reply = self.http.post(target, data=dict(_HIDDEN.findall(page.text)))
            page = (
                self.go(str(target.join(reply.headers["location"]))) if reply.is_redirect else reply
            )
        return page

    def cookies_for(self, url: str) -> str:
        """The ``Cookie`` header for a URL."""
        request = self.http.build_request("GET", url)
        return str(request.headers.get("cookie", ""))

    def close(self) -> None:
        self.http.close()


def path_of(url: str) -> str:
    """The path and query of a URL."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
