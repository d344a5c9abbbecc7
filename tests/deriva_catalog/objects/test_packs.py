"""Packs of contents: what goes in comes out, what is cut off is noticed, and who asks for what."""

from __future__ import annotations

import hashlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.objects.packs import (
    LONGEST,
    BrokenPack,
    cut,
    most_at_once,
    pack_one,
    read_pack,
    write_pack,
)

CONTENTS = st.lists(st.binary(max_size=200), max_size=8)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@given(CONTENTS, st.integers(1, 50))
def test_what_goes_in_comes_out(datas: list[bytes], size: int) -> None:
    split = [[data[n : n + size] for n in range(0, len(data), size)] for data in datas]
    given = zip(datas, split, strict=True)
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


def test_parts_hold_as_much_as_they_may_and_all_workers_have_some() -> None:
    lengths = [3, 3, 3, 9, 1, 0]
    assert cut(range(6), lengths, most=10, room=6) == [[0, 1], [2], [3], [4, 5]]
    assert cut(range(6), lengths, most=2, room=100) == [[0, 1], [2, 3], [4, 5]]
    assert (most_at_once(10, 4), most_at_once(1000, 4), most_at_once(10**6, 4)) == (32, 250, 512)
