"""Where the DerivaML that runs came from, so that a project's environment can have the same.

An installer writes that down beside the package, unless it came from a package index.

Source: "Recording the Direct URL Origin of installed distributions" (PEP 610).
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["INDEXED", "own_requirement", "requirement"]

_NAME = "derivaml"
_EXTRAS = "[notebook,server]"
INDEXED = f"{_NAME}{_EXTRAS}"
"""What an installer is given where DerivaML comes from a package index."""


def own_requirement() -> str:
    """What to give an installer to get the DerivaML that runs, with what projects need."""
    try:
        record = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:  # found on PYTHONPATH, without having been installed
        record = None
    return requirement(record)


def requirement(record: str | None) -> str:
    """What to give an installer to get DerivaML from where a record says that it came from.

    Args:
        record: The content of ``direct_url.json``; None without one: from a package index.
    """
    if record is None:
        return INDEXED
    known = json.loads(record)
    address = urlsplit(known["url"])
    revision = known.get("vcs_info")
    if revision is not None:
        where = f"{revision['vcs']}+{known['url']}@{revision['commit_id']}"
    elif address.scheme == "file":
        return f"{url2pathname(address.path)}{_EXTRAS}"
    else:
        where = known["url"]
    inside = known.get("subdirectory")
    return f"{INDEXED} @ {where}" + (f"#subdirectory={inside}" if inside else "")
