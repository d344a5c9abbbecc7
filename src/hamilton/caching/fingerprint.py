"""Fingerprints: texts that are equal only for values that a function cannot tell apart.

A fingerprint covers the qualified type and the content, to any depth, and is the same in every
process. Objects of unknown types are taken apart the way pickling does it, but piece by piece,
so that neither shared references nor the order of a set shows in the result.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import pathlib
import sys
import types
import uuid
from collections.abc import Callable, Generator, Iterable
from fractions import Fraction
from functools import partial
from typing import Any

from hamilton.caching.fingerprinting import registered_handler

__all__ = ["NotFingerprintable", "fingerprint"]

Pieces = Generator[Any, bytes, bytes]

_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range, slice}
)
_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})
_TEXTUAL = frozenset(
    {decimal.Decimal, Fraction, uuid.UUID, datetime.date, datetime.time, datetime.timedelta}
)
_SIZE = 20


class NotFingerprintable(TypeError):
    """A value holds something that has no content to go by, such as an open file."""


def fingerprint(obj: Any) -> str:
    """Returns a text that identifies a value by type and content.

    Column names, dtypes, shapes, index, order and nesting all count. Functions go by their code
    and that of the helpers they call.

    Raises:
        NotFingerprintable: The value, or something inside it, cannot be identified.

    Cost: linear in the size of the value.
    """
    cls = type(obj)
    if cls in _SCALARS:
        return _hash(b"", cls, repr(obj).encode()).hex()
    return _Walk().digest(obj).hex()


def _hash(kind: bytes, cls: type, *parts: Any) -> bytes:
    name = f"{cls.__module__}.{cls.__qualname__}".encode()
    found = hashlib.blake2b(b"%b:%b:" % (kind, name), digest_size=_SIZE)
    for part in parts:
        found.update(b"%d:" % (part.nbytes if isinstance(part, memoryview) else len(part)))
        found.update(part)
    return found.digest()


class _Walk:
    """One descent into a value. Keeps what it has seen alive, so that ids stay unique."""

    def __init__(self) -> None:
        self._done: dict[int, bytes] = {}
        self._open: dict[int, int] = {}
        self._alive: list[Any] = []

    def digest(self, root: Any) -> bytes:
        """Returns the digest of a value; a stack of generators stands in for recursion."""
        known = self._known(root)
        if known is not None:
            return known
        stack: list[tuple[Any, Pieces]] = [self._enter(root)]
        answer: bytes | None = None
        while True:
            obj, pieces = stack[-1]
            try:
                child = next(pieces) if answer is None else pieces.send(answer)
            except StopIteration as end:
                stack.pop()
                answer = self._leave(obj, end.value)
                if not stack:
                    return answer
                continue
            answer = self._known(child)
            if answer is None:
                stack.append(self._enter(child))

    def _known(self, obj: Any) -> bytes | None:
        cls = type(obj)
        if cls in _PLAIN:
            return _hash(b"", cls, repr(obj).encode())
        key = id(obj)
        if key in self._done:
            return self._done[key]
        if key in self._open:
            # A loop: said as the distance to the enclosing object it leads back to.
            return b"loop:%d" % (len(self._open) - self._open[key])
        return None

    def _enter(self, obj: Any) -> tuple[Any, Pieces]:
        self._open[id(obj)] = len(self._open)
        self._alive.append(obj)
        return obj, _pieces(obj)

    def _leave(self, obj: Any, digest: bytes) -> bytes:
        del self._open[id(obj)]
        self._done[id(obj)] = digest
        return digest


def _pieces(obj: Any) -> Pieces:
    cls = type(obj)
    handler = registered_handler(cls)
    if handler is not None:
        return _leaf(b"registered", cls, handler(obj).encode())
    if cls is list or cls is tuple:
        return _sequence(obj)
    if cls is dict:
        return _mapping(obj)
    if cls is set or cls is frozenset:
        return _set(obj)
    library = _library_pieces(obj)
    if library is not None:
        return library
    if cls in _TEXTUAL or (isinstance(obj, datetime.date) and cls.__module__ == "datetime"):
        return _leaf(b"text", cls, repr(obj).encode())
    if isinstance(obj, pathlib.PurePath):
        return _leaf(b"path", cls, str(obj).encode("utf-8", "surrogateescape"))
    if isinstance(obj, enum.Enum):
        return _parts(b"enum", cls, (obj.name, obj.value))
    return _code_pieces(obj) or _reduced(obj)


def _code_pieces(obj: Any) -> Pieces | None:
    """Returns the pieces of code as a value: by what it does, not by where it lives."""
    cls = type(obj)
    if isinstance(obj, types.FunctionType):
        from hamilton.caching.code_version import function_version

        return _leaf(b"function", cls, function_version(obj).encode())
    if isinstance(obj, (types.BuiltinFunctionType, types.MethodDescriptorType)):
        owner = getattr(obj, "__self__", None)
        name = f"{obj.__module__}.{obj.__qualname__}"
        bound = () if owner is None or isinstance(owner, types.ModuleType) else (owner,)
        return _parts(b"builtin", cls, (name, *bound))
    if isinstance(obj, types.MethodType):
        return _parts(b"method", cls, (obj.__func__, obj.__self__))
    if isinstance(obj, partial):
        return _parts(b"partial", cls, (obj.func, obj.args, obj.keywords))
    if isinstance(obj, type):
        return _leaf(b"class", cls, f"{obj.__module__}.{obj.__qualname__}".encode())
    if isinstance(obj, types.ModuleType):
        return _leaf(b"module", cls, obj.__name__.encode())
    if isinstance(obj, (bytearray, memoryview)):
        view = memoryview(obj)
        return _leaf(b"bytes", cls, view.cast("B") if view.c_contiguous else bytes(obj))
    return None


def _leaf(kind: bytes, cls: type, *parts: Any) -> Pieces:
    # No pieces, yet a generator as every source of pieces is.
    yield from ()
    return _hash(kind, cls, *parts)


def _parts(kind: bytes, cls: type, children: Iterable[Any]) -> Pieces:
    digests = []
    for child in children:
        digests.append((yield child))
    return _hash(kind, cls, *digests)


def _sequence(obj: list[Any] | tuple[Any, ...]) -> Pieces:
    if set(map(type, obj)) <= _SCALARS:
        # The repr of exact scalars tells types and values apart, and is far faster.
        return _leaf(b"scalars", type(obj), repr(obj).encode("utf-8", "surrogatepass"))
    return _parts(b"sequence", type(obj), obj)


def _mapping(obj: dict[Any, Any]) -> Pieces:
    # Order counts: a function can see it.
    return _parts(b"mapping", type(obj), (part for pair in obj.items() for part in pair))


def _set(obj: set[Any] | frozenset[Any]) -> Pieces:
    digests = []
    for item in obj:
        digests.append((yield item))
    return _hash(b"set", type(obj), *sorted(digests))


def _reduced(obj: Any) -> Pieces:
    """Takes an object apart as pickling would."""
    try:
        reduced = obj.__reduce_ex__(4)
    except Exception as error:
        # Any class may refuse in its own way; each way means that there is no content to go by.
        raise NotFingerprintable(
            f"A value of type {type(obj).__module__}.{type(obj).__qualname__} has no fingerprint: "
            f"{error}. Register its type with hash_value.register, or exclude the node with "
            "disable or ignore."
        ) from error
    if isinstance(reduced, str):
        return _leaf(b"global", type(obj), reduced.encode())
    rebuild, args, *rest = reduced
    state = rest[0] if rest else None
    items = [list(part) if part is not None else [] for part in rest[1:3]]
    if isinstance(rebuild, types.FunctionType):
        # By name: what rebuilds an object is machinery whose source may change between versions.
        rebuild = f"{rebuild.__module__}.{rebuild.__qualname__}"
    return _parts(b"object", type(obj), (rebuild, args, state, *items))


def _library_pieces(obj: Any) -> Pieces | None:
    root = type(obj).__module__.partition(".")[0]
    for base in type(obj).__mro__:
        root = base.__module__.partition(".")[0]
        make = _LIBRARIES.get(root)
        if make is not None and root in sys.modules:
            return make(obj)
    return None


def _numpy(obj: Any) -> Pieces | None:
    import numpy as np

    if isinstance(obj, np.ma.MaskedArray):
        return _parts(b"masked", type(obj), (obj.data, np.ma.getmaskarray(obj), obj.fill_value))
    if isinstance(obj, np.generic):
        if obj.dtype.hasobject:
            return None
        return _leaf(b"scalar", type(obj), _dtype(obj.dtype), obj.tobytes())
    if isinstance(obj, np.ndarray):
        head = (_dtype(obj.dtype), repr(obj.shape).encode())
        if obj.dtype.hasobject or obj.dtype.kind == "T":
            return _parts(b"array", type(obj), (*head, obj.tolist()))
        flat = np.ascontiguousarray(obj).reshape(-1).view(np.uint8)
        return _leaf(b"array", type(obj), *head, flat.data)
    return None


def _dtype(dtype: Any) -> bytes:
    return repr(dtype.descr if dtype.names else dtype.str).encode() + repr(dtype).encode()


def _pandas(obj: Any) -> Pieces | None:
    import pandas as pd

    cls = type(obj)
    if isinstance(obj, pd.DataFrame):
        columns = [_column(obj.iloc[:, i]) for i in range(obj.shape[1])]
        return _parts(b"frame", cls, (obj.columns, obj.index, columns, dict(obj.attrs)))
    if isinstance(obj, pd.Series):
        return _parts(b"series", cls, (obj.name, obj.index, _column(obj), dict(obj.attrs)))
    if isinstance(obj, pd.RangeIndex):
        return _parts(b"index", cls, (obj.name, obj.start, obj.stop, obj.step))
    if isinstance(obj, pd.MultiIndex):
        levels = [_column(obj.get_level_values(i).to_series()) for i in range(obj.nlevels)]
        return _parts(b"index", cls, (list(obj.names), levels))
    if isinstance(obj, pd.Index):
        freq = getattr(obj, "freqstr", None)
        return _parts(b"index", cls, (obj.name, freq, _column(obj.to_series())))
    return None


def _column(series: Any) -> tuple[Any, ...]:
    """Returns the values of a pandas column as things whose fingerprints say all about it."""
    import pandas as pd

    dtype = series.dtype
    name = repr(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        return name, dtype.ordered, pd.Index(dtype.categories), codes
    if isinstance(dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        return name, str(dtype), series.array.asi8
    if isinstance(dtype, pd.StringDtype):
        # Row hashes of 64 bits stand for the texts; missing values hash like a text, so the
        # mask is needed beside them.
        missing = series.isna().to_numpy()
        return name, pd.util.hash_array(series.to_numpy(dtype=object, na_value="")), missing
    if pd.api.types.is_extension_array_dtype(dtype):
        numeric = getattr(dtype, "numpy_dtype", None)
        if numeric is not None and numeric.kind in "biuf":
            missing = series.isna().to_numpy()
            return name, str(dtype), series.to_numpy(dtype=numeric, na_value=0), missing
        return name, str(dtype), list(series.astype(object))
    return name, series.to_numpy()


def _polars(obj: Any) -> Pieces | None:
    import io

    import polars as pl

    cls = type(obj)
    if isinstance(obj, pl.Series):
        return _parts(b"series", cls, (obj.name, obj.to_frame()))
    if isinstance(obj, pl.LazyFrame):
        return _leaf(b"lazy", cls, obj.serialize())
    if isinstance(obj, pl.DataFrame):
        if pl.Object in obj.dtypes:
            return _parts(b"frame", cls, (repr(obj.schema), obj.columns, obj.rows()))
        out = io.BytesIO()
        obj.rechunk().write_ipc_stream(out)
        return _leaf(b"frame", cls, repr(obj.schema).encode(), out.getbuffer())
    return None


def _arrow(obj: Any) -> Pieces | None:
    import pyarrow as pa

    table = None
    if isinstance(obj, pa.Table):
        table = obj
    elif isinstance(obj, pa.RecordBatch):
        table = pa.Table.from_batches([obj])
    elif isinstance(obj, (pa.Array, pa.ChunkedArray)):
        table = pa.table({"": obj})
    if table is None:
        return None
    sink = pa.BufferOutputStream()
    whole = table.combine_chunks()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    return _leaf(b"arrow", type(obj), memoryview(sink.getvalue()))


def _torch(obj: Any) -> Pieces | None:
    import torch

    if not isinstance(obj, torch.Tensor) or obj.is_sparse or obj.is_quantized:
        return None
    flat = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    facts = f"{obj.dtype}{tuple(obj.shape)}{obj.device}{obj.requires_grad}"
    return _leaf(b"tensor", type(obj), facts.encode(), flat.data)


_LIBRARIES: dict[str, Callable[[Any], Pieces | None]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _arrow,
    "torch": _torch,
}
