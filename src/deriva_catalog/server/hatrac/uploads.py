"""Uploads in chunks.

Source: Hatrac, "Chunked upload".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import BadRequest
from ...objects import idle, jobs
from ...objects.headers import (
    checked_content_type,
    digest_header,
    digest_of,
    disposition_of,
    filename_of,
)
from ...objects.jobs import Job, JobPlan
from ...objects.names import PREFIX, ObjectName
from ..messages import NO_CONTENT, Answer, Request, json_answer
from ..requests import json_body, wrong_method
from .answers import created, listing
from .contents import declared_digests, require_length
from .namespaces import wants_parents
from .ranges import whole_number
from .views import View, owner_of

__all__ = ["answer_uploads", "job_document", "plan_of"]

_ALIASES = {
    "chunk_bytes": "chunk-length",
    "chunk_length": "chunk-length",
    "total_bytes": "content-length",
    "content_length": "content-length",
    "content_type": "content-type",
    "content_md5": "content-md5",
    "content_sha256": "content-sha256",
    "content_disposition": "content-disposition",
}


def answer_uploads(
    request: Request, view: View, name: ObjectName, arguments: Sequence[str]
) -> Answer:
    """Begin, list, feed, finish and cancel uploads of an object."""
    if name.version is not None or not name.parts:
        raise BadRequest(f"{name.url} takes no uploads: it is no name of an object.")
    if request.method != "GET":
        view.require_writable()
    match arguments:
        case ():
            return _all(request, view, name)
        case (job,):
            return _one(request, view, name, job)
        case (job, number):
            return put_chunk(request, view, name, job, number)
    raise AssertionError(arguments)


def _all(request: Request, view: View, name: ObjectName) -> Answer:
    if request.method == "GET":
        found = jobs.find_all(view.store, view.asker, name)
        return listing(request, [job.url for job in found])
    if request.method != "POST":
        raise wrong_method(request, "GET", "POST")
    plan = plan_of(json_body(request))
    idle.tidy(view.store, view.idle)
    job = jobs.begin(view.store, view.asker, name, plan, parents=wants_parents(request))
    return created(job.url, view.base)


def _one(request: Request, view: View, name: ObjectName, job_id: str) -> Answer:
    if request.method == "GET":
        job = jobs.find(view.store, view.asker, name, job_id)
        return json_answer(job_document(view, job))
    if request.method == "POST":
        return created(
            jobs.finish(view.store, view.asker, name, job_id, view.assemblies).url, view.base
        )
    if request.method != "DELETE":
        raise wrong_method(request, "GET", "POST", "DELETE")
    jobs.cancel(view.store, view.asker, name, job_id, view.assemblies)
    return NO_CONTENT


def put_chunk(
    request: Request, view: View, name: ObjectName | None, job_id: str, number: str
) -> Answer:
    """Keep one chunk of a job."""
    if request.method != "PUT":
        raise wrong_method(request, "PUT")
    require_length(request)
    if not (number.isascii() and number.isdecimal()):
        raise BadRequest(f"{number!r} is no number of a chunk.")
    md5, sha256 = declared_digests(request.headers)
    job = jobs.find(view.store, view.asker, name, job_id)
    jobs.put_chunk(
        view.store,
        job,
        whole_number(number),
        request.body,
        md5=md5,
        sha256=sha256,
        assemblies=view.assemblies,
    )
    return NO_CONTENT


def plan_of(document: Any) -> JobPlan:
    """What a JSON document says about an upload that shall begin.

    Raises:
        BadRequest: A length is missing, or a value is malformed.
    """
    if not isinstance(document, dict):
        raise BadRequest("An upload is described by a JSON object.")
    given: dict[str, Any] = {
        _ALIASES.get(str(name), str(name)): value for name, value in document.items()
    }
    disposition, kind = _text(given, "content-disposition"), _text(given, "content-type")
    md5, sha256 = _text(given, "content-md5"), _text(given, "content-sha256")
    return JobPlan(
        _length(given, "chunk-length"),
        _length(given, "content-length"),
        None if kind is None else checked_content_type(kind),
        None if disposition is None else filename_of(disposition),
        None if md5 is None else digest_of(md5, "MD5"),
        None if sha256 is None else digest_of(sha256, "SHA-256"),
    )


def _length(given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise BadRequest(
            f"The member {name!r} of an upload is {value!r}.", hint="It is a length in bytes."
        )
    return value


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"The member {name!r} of an upload is {value!r}, which is no text.")
    return value


def job_document(view: View, job: Job) -> dict[str, Any]:
    """What is known of an upload, and which chunks have come."""
    plan = job.plan
    url = job.url if job.name is not None else f"{PREFIX}/{job.url}"
    found = {
        "url": url,
        "target": None if job.name is None else job.name.path,
        "owner": owner_of(view.asker.client) if job.owner is None else [job.owner],
        "chunk-length": plan.chunk_length,
        "content-length": plan.content_length,
        "content-type": plan.content_type,
        "content-disposition": None if plan.filename is None else disposition_of(plan.filename),
        "content-md5": None if plan.md5 is None else digest_header(plan.md5),
        "content-sha256": None if plan.sha256 is None else digest_header(plan.sha256),
        "chunks-received": [list(each) for each in jobs.received(view.store, job)],
    }
    return {name: value for name, value in found.items() if value is not None}
