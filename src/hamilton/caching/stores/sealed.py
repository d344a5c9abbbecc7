"""Values as bytes that tell whether they are whole: a pickle followed by a checksum.

``pickle.load`` reads them too, since it stops where the pickle ends. Values of any size are
written and read without a second copy of them in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any, BinaryIO, Protocol

from hamilton.caching.stores.base import ResultRetrievalError

__all__ = ["load_value", "read_value", "write_value"]

_MARK = b"\nsha256:"
_SEAL_SIZE = len(_MARK) + 32
_CHUNK = 1 << 20


class Writable(Protocol):
    """What a value can be written to."""

    def write(self, data: Any, /) -> Any:
        """Takes bytes, or a view of bytes that must not be kept."""


class _Hashing:
    """Passes on what is written, and hashes it."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> None:
        self.digest.update(data)
        self._target.write(data)


def write_value(value: Any, target: Writable) -> None:
    """Writes a value and its seal.

    Raises:
        Exception: What pickling the value, or writing, raises.
    """
    hashing = _Hashing(target)
    pickle.dump(value, hashing, protocol=5)
    target.write(_MARK + hashing.digest.digest())


def load_value(data: bytes) -> Any:
    """Returns the value in the bytes that `write_value` wrote.

    Raises:
        ResultRetrievalError: The bytes are damaged, cut short, or name something that is gone.
    """
    body, seal = data[:-_SEAL_SIZE], data[-_SEAL_SIZE:]
    _check(seal, hashlib.sha256(body).digest(), len(data))
    try:
        return pickle.loads(body)
    except Exception as error:
        # Unpickling runs code of the value's class, which may have changed in any way.
        raise _not_unpickled(error) from error


def read_value(file: BinaryIO) -> Any:
    """Returns the value in a file that `write_value` wrote, checked before it is unpickled.

    Raises:
        ResultRetrievalError: The file is damaged, cut short, or names something that is gone.
        OSError: It cannot be read.
    """
    size = file.seek(0, 2)
    file.seek(0)
    digest, left = hashlib.sha256(), max(size - _SEAL_SIZE, 0)
    while left and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    _check(file.read(), digest.digest(), size)
    file.seek(0)
    try:
        return pickle.load(file)
    except OSError:
        raise
    except Exception as error:
        # As above.
        raise _not_unpickled(error) from error


def _check(seal: bytes, digest: bytes, size: int) -> None:
    if not hmac.compare_digest(seal, _MARK + digest):
        raise ResultRetrievalError(
            f"A stored value of {size} bytes is damaged: its checksum does not match."
        )


def _not_unpickled(error: Exception) -> ResultRetrievalError:
    return ResultRetrievalError(f"A stored value cannot be unpickled: {error!r}.")
