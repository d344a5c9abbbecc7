"""Exceptions of the catalog: one tree, each with its HTTP status and what to do next.

::

    CatalogError                      500
      BadRequest                      400  malformed path, document, literal or option
        QueryTimeout                  400  a read ran longer than its time budget
      NotAuthenticated                401
      Forbidden                       403  a denied right; a write to a snapshot
        ReadOnly                      403
      NotFound                        404  unknown catalog, addressed element, RID, object
      MethodNotAllowed                405  the resource is there, but not for this method
      Conflict                        409  the request contradicts the state of the catalog
        UnknownName                   409  a table or column that a data path names
        UniqueViolation               409
        ForeignKeyViolation           409
        NotNullViolation              409
        SnapshotUnavailable           409
      PreconditionFailed              412
      TooLarge                        413  a body, or a request head, beyond the limit
      UnsupportedMediaType            415  a body of a type that the resource does not take
      Unavailable                     503  the storage cannot be reached, is full or is locked
      Corrupted                       500  stored data is not what the catalog wrote

Leaves also inherit the built-in exception that a caller would expect.
"""

from __future__ import annotations

__all__ = [
    "BadRequest",
    "CatalogError",
    "Conflict",
    "Corrupted",
    "Forbidden",
    "ForeignKeyViolation",
    "MethodNotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotNullViolation",
    "PreconditionFailed",
    "QueryTimeout",
    "ReadOnly",
    "SnapshotUnavailable",
    "TooLarge",
    "Unavailable",
    "UniqueViolation",
    "UnknownName",
    "UnsupportedMediaType",
]


class CatalogError(Exception):
    """Base of every error that the catalog raises.

    Args:
        message: What happened, and to which thing.
        hint: What the caller can do about it, as a sentence; empty when there is nothing to add.
        **facts: The things involved (``table=``, ``column=``, ``rid=`` ...), kept in `facts`.
    """

    status: int = 500
    description: str = "The request execution encountered a runtime error."

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        """Return the message followed by the hint."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class BadRequest(CatalogError, ValueError):
    """The request cannot be understood (HTTP 400)."""

    status = 400
    description = "Request malformed."


class QueryTimeout(BadRequest):
    """A read ran longer than its time budget (HTTP 400, the text that clients look for)."""


class NotAuthenticated(CatalogError, PermissionError):
    """An anonymous client asked for something that needs a login (HTTP 401)."""

    status = 401
    description = "Access requires authentication."


class Forbidden(CatalogError, PermissionError):
    """A known client asked for something it has no right to (HTTP 403)."""

    status = 403
    description = "Access forbidden."


class ReadOnly(Forbidden):
    """A write was sent to a snapshot, a bag or a catalog opened for reading (HTTP 403)."""


class NotFound(CatalogError, LookupError):
    """The addressed catalog, model element, row or object does not exist (HTTP 404)."""

    status = 404
    description = "Resource not found."


class MethodNotAllowed(CatalogError, ValueError):
    """The method is not one of the resource (HTTP 405); `facts` has those that are (``allow``)."""

    status = 405
    description = "Request method not allowed on this resource."


class Conflict(CatalogError, ValueError):
    """The request contradicts what is in the catalog (HTTP 409)."""

    status = 409
    description = "Request conflicts with state of server."


class UnknownName(Conflict, LookupError):
    """A data path names a table, column or alias that does not exist (HTTP 409)."""


class UniqueViolation(Conflict):
    """A row repeats the values of a key (HTTP 409)."""


class ForeignKeyViolation(Conflict):
    """A row refers to nothing, or is still referred to (HTTP 409)."""


class NotNullViolation(Conflict):
    """A column that must have a value has none (HTTP 409)."""


class SnapshotUnavailable(Conflict):
    """The requested snapshot is older than the history that is kept (HTTP 409)."""


class PreconditionFailed(CatalogError):
    """The resource changed since the caller last saw it (HTTP 412)."""

    status = 412
    description = "Resource state does not match requested preconditions."


class TooLarge(CatalogError, ValueError):
    """The request has more bytes than the service takes (HTTP 413)."""

    status = 413
    description = "The request is too large."


class UnsupportedMediaType(CatalogError, ValueError):
    """The body is of a type that the resource does not take (HTTP 415)."""

    status = 415
    description = "The request input type is not supported."


class Unavailable(CatalogError, OSError):
    """The storage is unreachable, locked for too long, full or read-only (HTTP 503)."""

    status = 503
    description = "The service is temporarily unavailable."


class Corrupted(CatalogError, OSError):
    """Stored data differs from what the catalog wrote: a damaged file, row or object."""
