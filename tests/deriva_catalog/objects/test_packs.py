"""Packs of contents: what goes in comes out, and what is cut off is noticed."""

from __future__ import annotations

import hashlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.objects.packs import LONGEST, BrokenPack, pack_one, read_pack, write_pack

CONTENTS = st.lists(st.binary(max_size=200), max_size=8)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@given(CONTENTS, st.integers(1, 50))
def test_what_goes_in_comes_out(datas: list[bytes], size: int) -> None:
    cut = [[data[n : n + size] for n in range(0, len(data), size)] for data in datas]
    given = zip(datas, cut, strict=True)
    pack = b"".join(write_pack((sha256(data), len(data), pieces) for data, pieces in given))
    assert pack == b"".join(pack_one(sha256(data), data) for data in datas)
    assert list(read_pack(io.BytesIO(pack))) == [(sha256(data), data) for data in datas]


@given(CONTENTS.filter(bool), st.data())
def test_what_is_cut_off_is_noticed_after_all_that_is_whole(
    datas: list[bytes], draw: st.DataObject
) -> None:
    packed = [pack_one(sha256(data), data) for data in datas]
    ends = [sum(map(len, packed[: n + 1])) for n in range(len(packed))]
    cut = draw.draw(st.integers(1, ends[-1] - 1).filter(lambda n: n not in ends))
    whole = sum(end <= cut for end in ends)
    came = []
    with pytest.raises(BrokenPack, match="cut off") as caught:
        came.extend(read_pack(io.BytesIO(b"".join(packed)[:cut])))
    assert caught.value.facts.get("sha256") in (None, sha256(datas[whole]))


def test_lengths_that_memory_would_not_hold_are_refused() -> None:
    head = struct.pack(">32sQ", bytes(32), LONGEST + 1)
    with pytest.raises(BrokenPack, match="too long"):
        list(read_pack(io.BytesIO(head)))
