"""Where contents are kept, and how much of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deriva_ml.core.content import LIMIT_VARIABLE, content_cache, parse_size
from deriva_ml.core.exceptions import DerivaMLConfigurationError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2000", 2000),
        ("500MB", 500_000_000),
        ("1.5 GiB", 3 << 29),
        ("2k", 2000),
        ("0", 0),
        (" 1tb ", 10**12),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "5 XB", "1,5GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_sessions_of_a_process_share_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "1GB")
    cache = content_cache(tmp_path)
    assert cache is content_cache(tmp_path)
    assert (cache.root, cache.limit_bytes) == (tmp_path / "content", 10**9)
    monkeypatch.setenv(LIMIT_VARIABLE, "lots")
    with pytest.raises(DerivaMLConfigurationError, match=LIMIT_VARIABLE):
        content_cache(tmp_path)
