"""Answers that tell of failure become the exceptions that the embedded catalog raises."""

from __future__ import annotations

import pytest

from deriva_catalog.catalog.remote.failures import ERROR_HEADER, error_header, error_of
from deriva_catalog.errors import (
    BadRequest,
    CatalogError,
    Conflict,
    Forbidden,
    ForeignKeyViolation,
    NotAuthenticated,
    NotFound,
    NotNullViolation,
    PreconditionFailed,
    QueryTimeout,
    ReadOnly,
    SnapshotUnavailable,
    Unavailable,
    UniqueViolation,
)

CONFLICT = "Request conflicts with state of server. Detail: "


def understood(status: int, text: str, **headers: str) -> CatalogError:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_of(status, told, text.encode(), asked="GET http://h/x", host="h:1")


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Request malformed. Detail: Something.", BadRequest),
        (400, "Request malformed. Detail: Query run time limit exceeded.", QueryTimeout),
        (401, "Access requires authentication.", NotAuthenticated),
        (403, "Access forbidden. Detail: insert access on :S:T", Forbidden),
        (403, "Access forbidden. Detail: modification to catalog at previous revision", ReadOnly),
        (404, "Resource not found. Detail: catalog 9", NotFound),
        (405, "Request method not allowed on this resource.", BadRequest),
        (409, CONFLICT + "Table x exists.", Conflict),
        (
            409,
            CONFLICT + 'Requested catalog revision "2-0" is prior to any known revision.',
            SnapshotUnavailable,
        ),
        (409, CONFLICT + 'null value in column "c" violates not-null', NotNullViolation),
        (412, "Resource state does not match requested preconditions.", PreconditionFailed),
        (500, "The request execution encountered a runtime error.", CatalogError),
        (502, "", Unavailable),
        (503, "The service is temporarily unavailable. Detail: x", Unavailable),
    ],
)
def test_any_server_is_understood_by_status_and_text(
    status: int, text: str, kind: type[CatalogError]
) -> None:
    found = understood(status, text + "\n")
    assert type(found) is kind
    assert not found.message.startswith(kind.description + " Detail")


def test_a_duplicate_is_told_with_columns_and_values() -> None:
    found = understood(
        409,
        CONFLICT + "Input data violates model. ERROR:  duplicate key value violates unique "
        'constraint "A_id_key"\nDETAIL:  Key (id, b)=(1, x) already exists.\n',
    )
    assert isinstance(found, UniqueViolation)
    assert found.facts["constraint"] == "A_id_key"
    assert found.facts["columns"] == ("id", "b")
    assert found.facts["values"] == ("1", "x")


def test_a_reference_is_told_with_its_constraint() -> None:
    found = understood(
        409,
        CONFLICT + 'update or delete on table "A" violates foreign key constraint "B_a_fkey" on '
        'table "B"\nDETAIL:  Key (id)=(1) is still referenced from table "B".\n',
    )
    assert isinstance(found, ForeignKeyViolation)
    assert found.facts["constraint"] == "B_a_fkey"


def test_who_is_not_logged_in_is_told_how() -> None:
    assert "deriva-catalog login h:1" in str(understood(401, "Access requires authentication."))


def test_a_page_of_a_proxy_is_read_as_text() -> None:
    page = "<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
    assert understood(502, page, content_type="text/html").message == "Bad Gateway"


@pytest.mark.parametrize(
    "error",
    [
        UniqueViolation("Twice: ü {x}.", hint="No.", columns=("a", "b"), values=("1", None)),
        ForeignKeyViolation("Key (a)=(1) is not present.", table="T"),
        NotFound("None such.", hint="Look.", rid="1-ABC"),
        BadRequest('Half a pair: "\ud800"\n100 % wrong', value="\ud800"),
    ],
)
def test_our_own_errors_come_back_whole(error: CatalogError) -> None:
    header = error_header(error)
    assert header is not None
    assert header.isascii()
    found = understood(error.status, "whatever", **{ERROR_HEADER.replace("-", "_"): header})
    assert (type(found), found.message, found.hint, found.facts) == (
        type(error),
        error.message,
        error.hint,
        error.facts,
    )


def test_facts_that_are_no_values_stay_behind() -> None:
    header = error_header(NotFound("x", thing=object(), rid="1"))
    assert header is not None
    assert understood(404, "x", **{"deriva_error": header}).facts == {"rid": "1"}


def test_an_error_too_long_for_a_header_has_none() -> None:
    assert error_header(BadRequest("x" * 10_000)) is None


@pytest.mark.parametrize("header", ["{", "[]", '{"type":"Path"}', '{"type":"annotations"}', "%ff"])
def test_a_header_that_is_not_ours_is_not_believed(header: str) -> None:
    assert understood(404, "Resource not found.", deriva_error=header).message
