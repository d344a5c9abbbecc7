"""URLs of stores: which kind of store they name, and what may stand in them.

Source: the documentation of obstore, "Store construction".
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from ...errors import BadRequest
from ...model.lookup import near_misses
from .bucket import BucketStore
from .contract import KeyStore
from .failures import reason, translated
from .files import FileStore

_EXAMPLES = (
    "Write 'file:///directory', 's3://bucket/prefix', 'gs://bucket/prefix' or "
    "'az://container/prefix?account=NAME'."
)
_OPTIONS = {
    "s3": ("endpoint", "region", "virtual_hosted_style"),
    "gs": (),
    "az": ("account", "endpoint"),
}
"""What may follow ``?`` in the URL of a bucket, by kind."""
_KINDS = {"s3": "s3", "s3a": "s3", "gs": "gs", "az": "az", "azure": "az", "abfs": "az"}
_NAMES = {
    "endpoint": "endpoint",
    "region": "region",
    "virtual_hosted_style": "virtual_hosted_style_request",
    "account": "account_name",
}
_FLAGS = {"true": True, "false": False}
_RETRY: Any = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
_CONNECT_TIMEOUT = "5s"


def open_store(url: str) -> KeyStore:
    """The store that a URL names; see the manual for what may stand in one.

    Nothing is asked of a bucket yet: `probe` does that. Credentials come from the environment,
    under the names that the cloud's own tools use.

    Raises:
        BadRequest: There is no kind of store for the URL, or something in it is wrong.
        Unavailable: A directory cannot be made.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or parts.query or not unquote(parts.path):
            raise BadRequest(f"{url!r} names no directory of this machine.", hint=_EXAMPLES)
        return FileStore(Path(unquote(parts.path)))
    if parts.scheme == "memory":
        from obstore.store import MemoryStore

        return BucketStore(MemoryStore(), "memory://")
    return _bucket(url)


@lru_cache(maxsize=256)
def _bucket(url: str) -> BucketStore:
    """A bucket; all that use it share its connections."""
    import obstore
    from obstore.store import from_url

    parts = urlsplit(url)
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise BadRequest(f"{url!r} names no store of objects.", hint=_EXAMPLES)
    config: Any = _options(url, kind, parts)
    plain = urlunsplit((kind, parts.netloc, parts.path, "", ""))
    client: Any = {"connect_timeout": _CONNECT_TIMEOUT}
    if _is_plain_http(kind, config):
        client["allow_http"] = True
    try:
        backend = from_url(plain, config=config or None, client_options=client, retry_config=_RETRY)
    except (ValueError, obstore.exceptions.BaseError) as error:
        raise BadRequest(
            f"{url!r} names no store of objects: {reason(error)}.", hint=_EXAMPLES
        ) from error
    return BucketStore(backend, url)


def _options(url: str, kind: str, parts: SplitResult) -> dict[str, Any]:
    """What stands after ``?``, under the names of `obstore`."""
    if "@" in parts.netloc:
        raise BadRequest(
            "The URL of a store holds credentials, and it is kept where others read it.",
            hint="Leave them out of the URL, and set the variables of the cloud's own tools.",
        )
    if not parts.netloc or parts.fragment:
        raise BadRequest(f"{url!r} names no bucket.", hint=_EXAMPLES)
    config: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        known = _OPTIONS[kind]
        if name not in known:
            hint = near_misses(name, known) or f"There are: {', '.join(known) or 'none'}."
            raise BadRequest(
                f"The URL of a store of kind {kind!r} has no option {name!r}.", hint=hint
            )
        if name == "virtual_hosted_style":
            if value not in _FLAGS:
                raise BadRequest(f"The option {name!r} of a store is true or false, not {value!r}.")
            config[_NAMES[name]] = _FLAGS[value]
        elif not value:
            raise BadRequest(f"The option {name!r} of the store {url!r} is empty.")
        else:
            config[_NAMES[name]] = value
    return config


def _is_plain_http(kind: str, config: dict[str, Any]) -> bool:
    import os

    given = config.get("endpoint")
    if given is None and kind == "s3":
        given = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return str(given or "").startswith("http://")


def own_place(url: str) -> str:
    """The URL of a place of its own below a store, for one catalog.

    What two catalogs keep in one bucket is never mixed up, so that each collects its garbage
    by itself.

    Raises:
        BadRequest: The URL names no store, or one that is forgotten with the process.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory":
        raise BadRequest(
            "A store in memory is forgotten when the process ends: no catalog keeps files there.",
            hint=_EXAMPLES,
        )
    path = f"{parts.path.rstrip('/')}/{uuid.uuid4().hex}"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def probe(store: KeyStore) -> None:
    """Write, look for and remove a few bytes, to see that a store can be used.

    Raises:
        Unavailable: It cannot: there is no such bucket, the credentials are wrong, or nobody
            answers.
    """
    key = f"incoming/{uuid.uuid4().hex}"
    with translated(f"trying the store {store.url!r}"):
        store.put(key, [b"probe"], 5)
        store.entry(key)
        store.remove([key])
