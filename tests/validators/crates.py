"""Validate RO-Crates with roc-validator, without network; run by its own environment's Python.

The JSON-LD contexts that crates refer to on the web come from releases of ``rocrate``, which bring
them along; they are put where the validator keeps what it has fetched before.

Its argument is a JSON object: ``contexts`` (a folder for each version), ``folder`` (a place to
write), ``told`` (the file that the answer goes to), and ``crates``, each with ``path`` and
``profile``. The answer tells for each one the number of its entities, and what it lacks as
``[severity, entity, message]``; ``severity`` asks for ``RECOMMENDED`` things too.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate.rocrate import ROCrate
from rocrate_validator import services
from urllib3 import HTTPResponse


class Packaged(HTTPAdapter):
    """Answers from the files of a package instead of the network."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        version = str(request.url).split("/")[-2]
        document = self.folder / version / "rocrate" / "data" / "ro-crate.jsonld"
        assert json.loads(document.read_bytes())["@id"] == request.url
        headers = {"Content-Type": "application/ld+json"}
        body = io.BytesIO(document.read_bytes())
        return self.build_response(
            request, HTTPResponse(body, headers, status=200, preload_content=False)
        )


def keep_contexts(folder: Path, cache: str) -> None:
    with CachedSession(cache_name=cache, backend="sqlite", expire_after=-1) as session:
        session.mount("https://w3id.org/ro/crate/", Packaged(folder))
        for version in folder.iterdir():
            session.get(f"https://w3id.org/ro/crate/{version.name}/context").raise_for_status()


def found(asked: dict[str, Any], crate: dict[str, Any], cache: str) -> list[list[str]]:
    result = services.validate(
        {
            "rocrate_uri": crate["path"],
            "profile_identifier": crate["profile"],
            "requirement_severity": asked.get("severity", "REQUIRED"),
            "offline": True,
            "cache_path": cache,
            "skip_availability_check": True,
            "enable_profile_inheritance": True,
        }
    )
    return sorted(
        [issue.severity.name, str(issue.violatingEntity), str(issue.message)]
        for issue in result.get_issues()
    )


def main() -> None:
    asked = json.loads(sys.argv[1])
    cache = f"{asked['folder']}/fetched"
    keep_contexts(Path(asked["contexts"]), cache)
    told = []
    for crate in asked["crates"]:
        entities = len(ROCrate(crate["path"]).get_entities())
        told.append({"entities": entities, "found": found(asked, crate, cache)})
    Path(asked["told"]).write_text(json.dumps(told))


main()
