"""Cache keys: the name of a node, the version of its code, the versions of what it takes."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from typing import TypedDict

__all__ = ["DecodedKey", "create_cache_key", "decode_key"]

NO_DEPENDENCIES = "<none>"


class DecodedKey(TypedDict):
    """What a cache key says."""

    node_name: str
    code_version: str
    dependencies_data_versions: dict[str, str]


def create_cache_key(
    node_name: str, code_version: str, dependencies_data_versions: Mapping[str, str]
) -> str:
    """Returns ``<node name>-<code version>-<packed dependency versions>``, safe as a file name."""
    safe = node_name if node_name.isidentifier() else re.sub(r"[^\w.]", "_", node_name)
    return f"{safe}-{code_version}-{_packed(dependencies_data_versions)}"


def _packed(versions: Mapping[str, str]) -> str:
    if not versions:
        return NO_DEPENDENCIES
    text = ",".join(f"{name},{version}" for name, version in sorted(versions.items()))
    # The smallest window: setting up a larger one takes longer than all the rest of a look-up.
    packer = zlib.compressobj(1, zlib.DEFLATED, 9, 1)
    return base64.urlsafe_b64encode(packer.compress(text.encode()) + packer.flush()).decode()


def decode_key(cache_key: str) -> DecodedKey:
    """Returns what a key was made of; the node name as it stands in the key.

    Raises:
        ValueError: The text is not a cache key.
    """
    parts = cache_key.split("-", 2)
    if len(parts) != 3:
        raise ValueError(f"{cache_key!r} is not a cache key: expected name-version-dependencies.")
    name, code_version, packed = parts
    versions: dict[str, str] = {}
    if packed != NO_DEPENDENCIES:
        try:
            text = zlib.decompress(base64.urlsafe_b64decode(packed.encode())).decode()
        except (zlib.error, ValueError) as error:
            raise ValueError(f"{cache_key!r} is not a cache key: {error}.") from error
        fields = text.split(",")
        versions = dict(zip(fields[::2], fields[1::2], strict=True))
    return DecodedKey(
        node_name=name, code_version=code_version, dependencies_data_versions=versions
    )
