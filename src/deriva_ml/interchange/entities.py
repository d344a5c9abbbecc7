"""Entities that crates of datasets and of executions share: files, code, people, terms."""

from __future__ import annotations

import math
import mimetypes
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deriva_ml.core.arguments import check_text
from deriva_ml.experiment.measurements import shown

from .identifiers import address, of_version
from .json_ld import Crate, Reference, refer

if TYPE_CHECKING:
    from deriva_ml.core.session import Session
    from deriva_ml.core.vocabulary import VocabularyTerm
    from deriva_ml.execution.workflow import Workflow

    from .facts import Agent, DatasetFact

__all__ = [
    "TERMS",
    "add_agent",
    "add_code",
    "add_dataset",
    "add_license",
    "add_terms",
    "add_value",
    "code_id",
    "code_properties",
    "encoding_format",
    "file_properties",
    "source_location",
]

TERMS = {"md5": "http://mlcommons.org/croissant/md5"}
"""Terms that the specification's context lacks."""

_SPDX = "https://spdx.org/licenses/"
_KINDS = {".jsonl": "application/jsonl", ".parquet": "application/vnd.apache.parquet"}
_KINDS |= {".yaml": "application/yaml", ".yml": "application/yaml", ".lock": "application/yaml"}
_KINDS |= {".ipynb": "application/x-ipynb+json", ".md": "text/markdown", ".log": "text/plain"}
# Python's own table: what a machine adds to the shared one must not change a crate.
_STANDARD = mimetypes.MimeTypes().types_map[True]


def encoding_format(name: str) -> str | None:
    """The media type of a file, by its name; None where the name does not tell."""
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return _KINDS.get(suffix) or _STANDARD.get(suffix)


def file_properties(
    name: str, length: int | None, digests: Mapping[str, str | None]
) -> dict[str, Any]:
    """What is told of a file: its name, kind, size in bytes and digests."""
    return {
        "name": name,
        "encodingFormat": encoding_format(name),
        "contentSize": None if length is None else str(length),
        "sha256": digests.get("sha256"),
        "md5": digests.get("md5"),
    }


def add_license(crate: Crate, license: str | None) -> Reference:
    """The license: an SPDX identifier, or a URL; None says that nobody told one."""
    if license is None:
        about = "Nobody said under which license this may be used: ask its makers."
        return crate.add("#no-license", "CreativeWork", name="No license", description=about)
    is_url = check_text(license, "license").startswith(("http://", "https://"))
    url = license if is_url else f"{_SPDX}{license}"
    name = license.removeprefix(_SPDX) if is_url else license
    return crate.add(url, "CreativeWork", name=name, url=url)


def add_agent(crate: Crate, agent: Agent | None) -> Reference | None:
    """A user of the catalog."""
    if agent is None:
        return None
    is_url = agent.identifier.startswith(("http://", "https://"))
    identifier = agent.identifier if is_url else f"#user-{agent.identifier}"
    return crate.add(identifier, "Person", name=agent.name or agent.identifier)


def add_value(crate: Crate, identifier: str, name: str, value: Any, **properties: Any) -> Reference:
    """A named value; what JSON has no plain value for is told as a text."""
    plain = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    told = value if plain and value != "" else f'"{value}"' if value == "" else shown(value)
    return crate.add(identifier, "PropertyValue", name=name, value=told, **properties)


# --- code --------------------------------------------------------------------------------


def code_id(session: Session, workflow: Workflow) -> str:
    """The URI of code: where it can be read, else that of its row."""
    if workflow.url and workflow.url.startswith(("http://", "https://")):
        return workflow.url
    return address(session, workflow.workflow_rid or "")


def add_code(crate: Crate, session: Session, workflow: Workflow) -> Reference:
    """The code that ran: a file on the web where its page is known, else a program."""
    identifier = code_id(session, workflow)
    properties = code_properties(session, workflow)
    if identifier == workflow.url:
        return crate.add_part(identifier, ["File", "SoftwareSourceCode"], **properties)
    kind = "SoftwareSourceCode" if crate.specification == "1.1" else "SoftwareApplication"
    return crate.add(identifier, kind, **properties)


def code_properties(session: Session, workflow: Workflow) -> dict[str, Any]:
    """What is told of code: its name, page, repository, version, commit and checksum."""
    repository, commit, _ = source_location(workflow.url)
    marks = {"commit": commit, "checksum": workflow.checksum}
    own = [f"{name}:{value}" for name, value in marks.items() if value]
    row = [address(session, workflow.workflow_rid)] if workflow.workflow_rid else []
    return {
        "name": workflow.name,
        "description": workflow.description,
        "url": workflow.url,
        "version": workflow.version or workflow.checksum,
        "codeRepository": repository,
        "encodingFormat": encoding_format((workflow.url or "").partition("#")[0]),
        "identifier": [*own, *row],
        "keywords": sorted(workflow.workflow_types),
    }


def source_location(url: str | None) -> tuple[str | None, str | None, str | None]:
    """Repository, commit and path that the URL of a workflow names, as far as it does."""
    if not url:
        return None, None, None
    page, _, fragment = url.partition("#")
    for mark in ("/-/blob/", "/blob/", "/-/tree/", "/tree/", "/src/commit/"):
        base, found, rest = page.partition(mark)
        if found and base.startswith(("http://", "https://")):
            commit, _, path = rest.partition("/")
            return base, commit or None, path or None
    return None, fragment or None, None


# --- datasets and terms ------------------------------------------------------------------


def add_dataset(crate: Crate, session: Session, dataset: DatasetFact) -> Reference:
    """A version of a dataset that is not in the crate itself."""
    return crate.add_part(
        of_version(session, dataset.rid, dataset.version, dataset.snapshot),
        "Dataset",
        name=f"Dataset {dataset.rid}" + (f" {dataset.version}" if dataset.version else ""),
        description=dataset.description,
        version=dataset.version,
        identifier=f"{dataset.rid}@{dataset.version}" if dataset.version else dataset.rid,
        keywords=sorted(dataset.types),
    )


def add_terms(crate: Crate, name: str, about: str, terms: Iterable[VocabularyTerm]) -> Reference:
    """A vocabulary with its terms."""
    whole = f"#vocabulary-{name}"
    members = [
        crate.add(
            f"{whole}/{term.id or term.name}",
            "DefinedTerm",
            name=term.name,
            description=term.description,
            termCode=term.id,
            alternateName=sorted(term.synonyms),
            inDefinedTermSet=refer(whole),
        )
        for term in sorted(terms, key=lambda t: t.name)
    ]
    return crate.add(whole, "DefinedTermSet", name=name, description=about, hasDefinedTerm=members)
