"""What our own client asks of a catalog's objects beyond the protocol: bytes by their SHA-256.

All of it is below the root, ``CAT/hatrac/;...``, where no name can be. A client needs the right to
read everything, and to create for what stores or names something: whoever knows a digest could
otherwise get bytes, or learn that they are there.

=========================================  =====================================================
``POST ;content``                          JSON array of SHA-256; those that are stored, as
                                           ``{sha256: length}``
``POST ;content/add``                      a pack of bytes to store; JSON array of
                                           ``{"length", "md5", "sha256"}``
``POST ;content/get``                      JSON array of SHA-256; the bytes as a pack
``GET``, ``PUT ;content/SHA256``           the bytes of one digest, with ranges
``POST ;upload``                           begin an upload without a name, or go on with one: the
                                           client's own for the same bytes
``PUT ;upload/JOB/N``, ``GET``, ``POST``   as for uploads of objects; finishing answers like ``add``
``POST ;register``                         name bytes that are stored, in one transaction
``POST ;stat``                             JSON array of URLs; what is known of those that are there
=========================================  =====================================================

A pack is, again and again: 32 bytes of SHA-256, 8 bytes of length (big-endian), the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ...errors import BadRequest, Conflict, NotFound
from ...objects import Content, ObjectVersion, Upload, idle, jobs
from ...objects.acls import owned_by
from ...objects.asking import ROOT
from ...objects.headers import checked_content_type, digest_header
from ...objects.names import parse_name
from ...objects.naming import granting_to
from ...objects.packs import read_pack, write_pack
from ...objects.versions import declared
from ..messages import NO_CONTENT, Answer, Request, json_answer
from ..requests import json_body, wrong_method
from .answers import VARY
from .conditions import etag_of
from .contents import answer_content, require_length
from .targets import Target
from .uploads import job_document, plan_of, put_chunk
from .views import View

__all__ = ["answer_extra"]

_BYTES = "application/octet-stream"
_ASKING: tuple[tuple[str, ...], ...] = ((), ("get",))
_DIGITS = frozenset("0123456789abcdef")


def answer_extra(request: Request, view: View, target: Target) -> Answer:
    """Answer for one of the addresses above."""
    if not view.of_catalog or target.name.parts:
        raise NotFound(f"There is nothing at {request.path!r}.")
    asks = target.part == "stat" or (target.part == "content" and target.arguments in _ASKING)
    _require_all(view, reading_only=asks or request.method == "GET")
    if target.part == "stat":
        return _stat(request, view)
    if target.part == "register":
        return _register(request, view)
    if target.part == "upload":
        return _upload(request, view, target.arguments)
    match target.arguments:
        case ():
            return _have(request, view)
        case ("add",):
            return _add(request, view)
        case ("get",):
            return _get(request, view)
        case (sha256,):
            return _one(request, view, sha256)
    raise AssertionError(target)


def _require_all(view: View, *, reading_only: bool) -> None:
    with view.store.database.reading() as reading:
        root = view.asker.line(reading.connection, ROOT).place
    view.asker.require("read", {}, (root.acls,), root.path)
    if not reading_only:
        view.asker.require_login(root.path)
        view.asker.require("create", root.acls, (), root.path)


def _post(request: Request) -> None:
    if request.method != "POST":
        raise wrong_method(request, "POST")


# --- bytes -------------------------------------------------------------------------------


def _have(request: Request, view: View) -> Answer:
    _post(request)
    found = {}
    for sha256 in _digests(json_body(request)):
        length = view.store.content.length(sha256)
        if length is not None:
            found[sha256] = length
    return json_answer(found)


def _digests(given: Any) -> list[str]:
    if not isinstance(given, list):
        raise BadRequest("Digests are given as a JSON array.")
    return [_digest(each) for each in given]


def _digest(given: Any) -> str:
    if not isinstance(given, str) or len(given) != 64 or not _DIGITS.issuperset(given):
        raise BadRequest(f"{given!r} is no SHA-256 in lower-case hexadecimal.")
    return given


def _add(request: Request, view: View) -> Answer:
    _post(request)
    require_length(request)
    view.require_writable()
    stored = []
    for sha256, data in read_pack(request.body):
        upload = Upload(f";content/{sha256}", sha256=sha256)
        stored.append(view.store.content.add(data, check=partial(declared, upload)))
    view.store.content.flush([content.sha256 for content in stored])
    return json_answer([_described(content) for content in stored])


def _described(content: Content) -> dict[str, Any]:
    return {"length": content.length, "md5": content.md5, "sha256": content.sha256}


def _get(request: Request, view: View) -> Answer:
    _post(request)
    wanted = _digests(json_body(request))
    store = view.store.content
    lengths: dict[str, int] = {}
    for sha256 in wanted:
        length = store.length(sha256)
        if length is None:
            raise NotFound(f"The content {sha256} is not in the object store.", sha256=sha256)
        lengths[sha256] = length
    stored = (
        (sha256, lengths[sha256], store.pieces(sha256, 0, lengths[sha256])) for sha256 in wanted
    )
    return Answer(200, write_pack(stored), _BYTES, {"Cache-Control": "no-store, no-transform"})


def _one(request: Request, view: View, raw: str) -> Answer:
    sha256, store = _digest(raw), view.store.content
    if request.method == "PUT":
        require_length(request)
        view.require_writable()
        upload = Upload(f";content/{sha256}", sha256=sha256)
        content = store.add(request.body, check=partial(declared, upload), take=True)
        store.flush([sha256])
        return json_answer(_described(content), status=201)
    if request.method != "GET":
        raise wrong_method(request, "GET", "PUT")
    length = store.length(sha256)
    if length is None:
        raise NotFound(f"The content {sha256} is not in the object store.", sha256=sha256)
    headers = {**VARY, "ETag": etag_of(sha256)}
    hashes = {"Content-SHA256": digest_header(sha256)}
    return answer_content(request, view, (sha256, length), _BYTES, headers, hashes)


def _upload(request: Request, view: View, arguments: Sequence[str]) -> Answer:
    store, asker = view.store, view.asker
    if request.method != "GET":
        view.require_writable()
    match arguments:
        case ():
            _post(request)
            plan = plan_of(json_body(request))
            idle.tidy(store, view.idle)
            if plan.sha256 is None:
                raise BadRequest("An upload without a name declares the SHA-256 of its bytes.")
            same = [
                job
                for job in jobs.find_all(store, asker, None)
                if (job.plan.sha256, job.plan.content_length) == (plan.sha256, plan.content_length)
            ]
            job = same[-1] if same else jobs.begin(store, asker, None, plan)
            return json_answer({"job": job.id, **job_document(view, job)}, status=201)
        case (job_id,) if request.method == "GET":
            return json_answer(job_document(view, jobs.find(store, asker, None, job_id)))
        case (job_id,) if request.method == "POST":
            stored = jobs.finish_bytes(store, asker, job_id, view.assemblies)
            return json_answer(_described(stored), status=201)
        case (job_id,):
            if request.method != "DELETE":
                raise wrong_method(request, "GET", "POST", "DELETE")
            jobs.cancel(store, asker, None, job_id, view.assemblies)
            return NO_CONTENT
        case (job_id, number):
            return put_chunk(request, view, None, job_id, number)
    raise AssertionError(arguments)


# --- names -------------------------------------------------------------------------------


def _register(request: Request, view: View) -> Answer:
    _post(request)
    view.require_writable()
    document = json_body(request)
    if not isinstance(document, dict) or not isinstance(document.get("uploads"), list):
        raise BadRequest("A registration is a JSON object with the list 'uploads'.")
    uploads = [_described_upload(view, each) for each in document["uploads"]]
    made = view.store.register(
        uploads,
        parents=document.get("parents") is not False,
        reuse=document.get("reuse") is True,
        acls=owned_by(request.client.id),
        granting=granting_to(view.asker),
    )
    return json_answer([version_document(version) for version in made], status=201)


def _described_upload(view: View, given: Any) -> Upload:
    """An upload whose bytes are in the store; what is said of them must be so."""
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise BadRequest("Each upload is a JSON object with a 'name'.")
    sha256 = _digest(given.get("sha256"))
    length, md5 = given.get("length"), given.get("md5")
    if not isinstance(md5, str) or len(md5) != 32 or not _DIGITS.issuperset(md5):
        raise BadRequest(f"{md5!r} is no MD5 in lower-case hexadecimal.")
    if view.store.content.length(sha256) != length or not isinstance(length, int):
        raise Conflict(
            f"The store has no content {sha256} of {length!r} bytes for {given['name']!r}.",
            hint="Send the bytes first.",
        )
    kind, filename = given.get("content_type"), given.get("filename")
    version = given.get("version")
    if version is not None and not isinstance(version, str):
        raise BadRequest(f"{version!r} cannot be the identifier of a version.")
    declared_ones = given.get("declared") or ()
    return Upload(
        given["name"],
        content=Content(length, md5, sha256),
        content_type=None if kind is None else checked_content_type(str(kind)),
        filename=None if filename is None else str(filename),
        md5=md5 if "md5" in declared_ones else None,
        sha256=sha256 if "sha256" in declared_ones else None,
        version=version,
    )


def version_document(version: ObjectVersion) -> dict[str, Any]:
    """A version as `RemoteObjectStore` reads it."""
    return {
        "name": version.name,
        "version": version.version,
        "length": version.length,
        "md5": version.md5,
        "sha256": version.sha256,
        "content_type": version.content_type,
        "filename": version.filename,
        "created": version.created,
    }


def _stat(request: Request, view: View) -> Answer:
    _post(request)
    urls = json_body(request)
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise BadRequest("URLs are given as a JSON array of texts.")
    found = view.store.stat_many([url for url in urls if _has_version(url)])
    for url in urls:
        if not _has_version(url):
            with suppress(NotFound, Conflict):
                found[url] = view.store.stat(url)
    return json_answer({url: version_document(version) for url, version in found.items()})


def _has_version(url: str) -> bool:
    return parse_name(url).version is not None
