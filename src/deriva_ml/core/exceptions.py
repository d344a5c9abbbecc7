"""Exceptions of DerivaML: one tree, each leaf with the facts it is about.

::

    DerivaMLException
      DerivaMLConfigurationError
        DerivaMLSchemaError              the ML schema is missing or unusable
        DerivaMLSchemaRefreshBlocked     a refresh while staged work exists
        DerivaMLSchemaPinned             a refresh while the schema is pinned
        DerivaMLAuthenticationError      a login is needed
        DerivaMLOfflineError             a server is needed but the mode is offline
      DerivaMLPermissionError            a known user lacks the right
      DerivaMLUnavailableError           the catalog is unreachable, locked or full
      DerivaMLDataError
        DerivaMLNotFoundError
          DerivaMLDatasetNotFound        .dataset_rid
          DerivaMLTableNotFound          .table_name
          DerivaMLFeatureNotFound        .table_name .feature_name
          DerivaMLInvalidTerm            .vocabulary .term
          DerivaMLRidsNotFound           .missing_rids
          NoAssociationException
        DerivaMLTableTypeError           .table_type .table
        DerivaMLValidationError
          DerivaMLMaterializeLimitExceeded   .actual_count .limit
        DerivaMLCycleError               .cycle_nodes
        DerivaMLStateInconsistency
        AmbiguousAssociationException
      DerivaMLExecutionError
        DerivaMLWorkflowError
          DerivaMLDirtyWorkflowError     .path .dirty_paths
        DerivaMLUploadError
        DerivaMLResumeError              .before .now
      DerivaMLReadOnlyError              a write on a snapshot, a bag or offline
      DerivaMLDenormalizeError
        DerivaMLDenormalizeMultiLeaf     .candidates .include_tables .bridge_suggestions
        DerivaMLDenormalizeNoSink
        DerivaMLDenormalizeDownstreamLeaf    .row_per .downstream_tables
        DerivaMLDenormalizeAmbiguousPath     .from_table .to_table .paths .suggested_intermediates
        DerivaMLDenormalizeUnrelatedAnchor
      InvalidTransitionError             a change of state that an execution cannot make

Where a caller would expect a built-in exception (a lookup, a value, a permission), the class
inherits it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any

from deriva_catalog import errors as catalog_errors

__all__ = [
    "AmbiguousAssociationException",
    "DerivaMLAuthenticationError",
    "DerivaMLConfigurationError",
    "DerivaMLCycleError",
    "DerivaMLDataError",
    "DerivaMLDatasetNotFound",
    "DerivaMLDenormalizeAmbiguousPath",
    "DerivaMLDenormalizeDownstreamLeaf",
    "DerivaMLDenormalizeError",
    "DerivaMLDenormalizeMultiLeaf",
    "DerivaMLDenormalizeNoSink",
    "DerivaMLDenormalizeUnrelatedAnchor",
    "DerivaMLDirtyWorkflowError",
    "DerivaMLException",
    "DerivaMLExecutionError",
    "DerivaMLFeatureNotFound",
    "DerivaMLInvalidTerm",
    "DerivaMLMaterializeLimitExceeded",
    "DerivaMLNotFoundError",
    "DerivaMLOfflineError",
    "DerivaMLPermissionError",
    "DerivaMLReadOnlyError",
    "DerivaMLResumeError",
    "DerivaMLRidsNotFound",
    "DerivaMLSchemaError",
    "DerivaMLSchemaPinned",
    "DerivaMLSchemaRefreshBlocked",
    "DerivaMLStateInconsistency",
    "DerivaMLTableNotFound",
    "DerivaMLTableTypeError",
    "DerivaMLUnavailableError",
    "DerivaMLUploadError",
    "DerivaMLValidationError",
    "DerivaMLWorkflowError",
    "InvalidTransitionError",
    "NoAssociationException",
    "from_catalog_error",
    "some_of",
    "translated",
]

_SHOWN = 10


def some_of(items: Sequence[object]) -> str:
    """Return `items` quoted and joined by commas, cut at ten with a count of the rest."""
    shown = ", ".join(repr(str(i)) for i in items[:_SHOWN])
    rest = len(items) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


class DerivaMLException(Exception):
    """Base of every error that DerivaML raises; its text is the message.

    Attributes:
        facts: What the error is about (``table``, ``rid`` ...), where the catalog said so.
    """

    def __init__(self, msg: str = "") -> None:
        super().__init__(msg)
        self.facts: Mapping[str, object] = {}

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers send errors to their parent; the leaves' own arguments differ from `args`.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    cls: type[DerivaMLException], args: tuple[object, ...], state: dict[str, object]
) -> DerivaMLException:
    """Rebuild a pickled error."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class DerivaMLConfigurationError(DerivaMLException):
    """The configuration cannot work as it is."""


class DerivaMLSchemaError(DerivaMLConfigurationError):
    """The ML schema is missing from the catalog, or is not what this version needs."""


class DerivaMLSchemaRefreshBlocked(DerivaMLConfigurationError):
    """A schema refresh was asked for while work waits to be uploaded."""


class DerivaMLSchemaPinned(DerivaMLConfigurationError):
    """A schema refresh was asked for while the schema is pinned."""


class DerivaMLAuthenticationError(DerivaMLConfigurationError, PermissionError):
    """The catalog wants a login that is missing or no longer valid."""


class DerivaMLOfflineError(DerivaMLConfigurationError):
    """The operation needs the catalog, but the session is offline."""


class DerivaMLPermissionError(DerivaMLException, PermissionError):
    """A known user asked for something they have no right to."""


class DerivaMLUnavailableError(DerivaMLException, OSError):
    """The catalog or its storage cannot be reached, is locked, or is full."""


class DerivaMLDataError(DerivaMLException):
    """The data in the catalog does not allow the request."""


class DerivaMLNotFoundError(DerivaMLDataError, LookupError):
    """Something that the request names does not exist."""


class DerivaMLDatasetNotFound(DerivaMLNotFoundError):
    """No such dataset, or the RID is that of another kind of row."""

    def __init__(self, dataset_rid: str, msg: str = "") -> None:
        super().__init__(msg or f"Dataset {dataset_rid!r} does not exist in this catalog.")
        self.dataset_rid = dataset_rid


class DerivaMLTableNotFound(DerivaMLNotFoundError):
    """No such table."""

    def __init__(self, table_name: str, msg: str = "") -> None:
        super().__init__(msg or f"Table {table_name!r} does not exist in this catalog.")
        self.table_name = table_name


class DerivaMLFeatureNotFound(DerivaMLNotFoundError):
    """The table has no such feature."""

    def __init__(self, table_name: str, feature_name: str, msg: str = "") -> None:
        super().__init__(msg or f"Table {table_name!r} has no feature {feature_name!r}.")
        self.table_name = table_name
        self.feature_name = feature_name


class DerivaMLInvalidTerm(DerivaMLNotFoundError):
    """A vocabulary does not have the term, or already has it where a new one was to be added."""

    def __init__(self, vocabulary: str, term: str, msg: str = "Term does not exist") -> None:
        super().__init__(f"Vocabulary {vocabulary!r}, term {term!r}: {msg}")
        self.vocabulary = vocabulary
        self.term = term


class DerivaMLRidsNotFound(DerivaMLNotFoundError):
    """Some of the RIDs do not exist."""

    def __init__(self, missing_rids: Sequence[str], msg: str = "") -> None:
        missing = sorted(missing_rids)
        super().__init__(msg or f"{len(missing)} RIDs do not exist here: {some_of(missing)}.")
        self.missing_rids = missing


class NoAssociationException(DerivaMLNotFoundError):
    """No association table links the two tables."""


class DerivaMLTableTypeError(DerivaMLDataError):
    """A table is not of the kind that the request needs (vocabulary, asset, dataset ...)."""

    def __init__(self, table_type: str, table: str, msg: str = "") -> None:
        super().__init__(msg or f"Table {table!r} is not of type {table_type}.")
        self.table_type = table_type
        self.table = table


class DerivaMLValidationError(DerivaMLDataError, ValueError):
    """A value given by the caller breaks a rule."""


class DerivaMLMaterializeLimitExceeded(DerivaMLValidationError):
    """More rows than the caller allowed to be brought into memory."""

    def __init__(self, actual_count: int, limit: int) -> None:
        super().__init__(
            f"{actual_count} rows would be brought into memory, the limit is {limit}. "
            "Narrow the request or raise materialize_limit."
        )
        self.actual_count = actual_count
        self.limit = limit


class DerivaMLCycleError(DerivaMLDataError):
    """Nesting would make something contain itself."""

    def __init__(self, cycle_nodes: Sequence[str], msg: str = "") -> None:
        super().__init__(msg or f"These would contain themselves: {some_of(cycle_nodes)}.")
        self.cycle_nodes = list(cycle_nodes)


class DerivaMLStateInconsistency(DerivaMLDataError):
    """The local record of a run and its row in the catalog cannot both be right."""


class AmbiguousAssociationException(DerivaMLDataError):
    """More than one association table links the two tables."""


class DerivaMLExecutionError(DerivaMLException):
    """An execution cannot go on."""


class DerivaMLWorkflowError(DerivaMLExecutionError):
    """The code of a workflow cannot be identified."""


class DerivaMLDirtyWorkflowError(DerivaMLWorkflowError):
    """The repository has changes that are not committed, and committed code was asked for."""

    def __init__(self, path: str, dirty_paths: Sequence[str]) -> None:
        super().__init__(
            f"The repository of {str(path)!r} has uncommitted changes in "
            f"{some_of(dirty_paths)}. Commit them, or allow the run to be recorded as dirty "
            "(--allow-dirty, or DERIVA_ML_ALLOW_DIRTY=true)."
        )
        self.path = str(path)
        self.dirty_paths = list(dirty_paths)


class DerivaMLUploadError(DerivaMLExecutionError):
    """Outputs of an execution could not be uploaded."""


class DerivaMLResumeError(DerivaMLExecutionError):
    """A run that is done over does something else than it did before it was interrupted."""

    def __init__(self, message: str, before: str, now: str | None) -> None:
        super().__init__(message)
        self.before = before
        self.now = now


class DerivaMLReadOnlyError(DerivaMLException, PermissionError):
    """A write was asked of something that can only be read: a snapshot, a bag, a stub."""


class DerivaMLDenormalizeError(DerivaMLException):
    """Tables cannot be joined into one wide table as asked."""


class DerivaMLDenormalizeMultiLeaf(DerivaMLDenormalizeError):
    """Several tables could give the rows of the wide table."""

    def __init__(
        self,
        candidates: Sequence[str],
        include_tables: Sequence[str],
        bridge_suggestions: Sequence[str] = (),
    ) -> None:
        bridges = f" Tables that would link them: {some_of(bridge_suggestions)}."
        super().__init__(
            f"One row per what? With {some_of(include_tables)} it could be any of "
            f"{some_of(candidates)}; say which with row_per."
            + (bridges if bridge_suggestions else "")
        )
        self.candidates = list(candidates)
        self.include_tables = list(include_tables)
        self.bridge_suggestions = list(bridge_suggestions)


class DerivaMLDenormalizeNoSink(DerivaMLDenormalizeError):
    """No table can give the rows: the tables refer to each other in a circle."""


class DerivaMLDenormalizeDownstreamLeaf(DerivaMLDenormalizeError):
    """A table asked for has many rows for each row of `row_per`."""

    def __init__(self, row_per: str, downstream_tables: Sequence[str]) -> None:
        super().__init__(
            f"With one row per {row_per!r}, {some_of(downstream_tables)} would have many values "
            "in a row. Leave them out, or choose one of them as row_per."
        )
        self.row_per = row_per
        self.downstream_tables = list(downstream_tables)


class DerivaMLDenormalizeAmbiguousPath(DerivaMLDenormalizeError):
    """Two tables are linked in more than one way."""

    def __init__(
        self,
        from_table: str,
        to_table: str,
        paths: Sequence[Sequence[str]],
        suggested_intermediates: Sequence[str] = (),
    ) -> None:
        ways = "; ".join(" -> ".join(path) for path in paths[:_SHOWN])
        choose = some_of(suggested_intermediates) if suggested_intermediates else "a table between"
        super().__init__(
            f"{from_table!r} and {to_table!r} are linked in {len(paths)} ways ({ways}). "
            f"Choose one with via={choose}."
        )
        self.from_table = from_table
        self.to_table = to_table
        self.paths = [list(path) for path in paths]
        self.suggested_intermediates = list(suggested_intermediates)


class DerivaMLDenormalizeUnrelatedAnchor(DerivaMLDenormalizeError):
    """Members of the dataset have nothing to do with the tables asked for."""


class InvalidTransitionError(DerivaMLException):
    """An execution cannot go from its state to the one asked for."""


# The first class that fits decides, so leaves stand before what they inherit from.
_TRANSLATION: tuple[tuple[type[catalog_errors.CatalogError], type[DerivaMLException]], ...] = (
    (catalog_errors.NotAuthenticated, DerivaMLAuthenticationError),
    (catalog_errors.ReadOnly, DerivaMLReadOnlyError),
    (catalog_errors.Forbidden, DerivaMLPermissionError),
    (catalog_errors.NotFound, DerivaMLNotFoundError),
    (catalog_errors.UnknownName, DerivaMLNotFoundError),
    (catalog_errors.QueryTimeout, DerivaMLUnavailableError),
    (catalog_errors.BadRequest, DerivaMLValidationError),
    (catalog_errors.Conflict, DerivaMLDataError),
    (catalog_errors.PreconditionFailed, DerivaMLDataError),
    (catalog_errors.Unavailable, DerivaMLUnavailableError),
    (catalog_errors.Corrupted, DerivaMLDataError),
)


def from_catalog_error(error: catalog_errors.CatalogError) -> DerivaMLException:
    """Return the DerivaML error that says what `error` says, with the same text and facts.

    The caller raises it ``from error``, so that the cause is kept; `translated` does both.
    """
    kind = next((ours for theirs, ours in _TRANSLATION if isinstance(error, theirs)), None)
    translation = (kind or DerivaMLException)(str(error))
    translation.facts = dict(error.facts)
    return translation


class translated(ContextDecorator):
    """Turn errors of the catalog into DerivaML errors; a context manager and a decorator.

    On a generator function it covers only the call, not the iteration: use the ``with`` form
    inside such a function.

    Example:
        >>> from deriva_catalog.errors import NotFound
        >>> with translated():
        ...     raise NotFound("No row has RID '1ABC'.")
        Traceback (most recent call last):
        ...
        deriva_ml.core.exceptions.DerivaMLNotFoundError: No row has RID '1ABC'.
    """

    def __enter__(self) -> None:
        """Begin to watch for errors of the catalog."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise the DerivaML error for a catalog error; let everything else pass."""
        if isinstance(error, catalog_errors.CatalogError):
            raise from_catalog_error(error) from error
