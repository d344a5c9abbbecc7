import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamilton.caching import fingerprinting
from hamilton.caching.fingerprint import NotFingerprintable, fingerprint


@dataclasses.dataclass
class Point:
    x: int


@dataclasses.dataclass
class Dot:
    x: int


class Color(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


def nested(depth, leaf):
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})

DIFFERENT = {
    "renamed column": (frame, frame.rename(columns={"a": "z"})),
    "series name": (pd.Series([1], name="a"), pd.Series([1], name="b")),
    "order of columns": (frame, frame[["b", "a"]]),
    "order of rows": (frame, frame.iloc[::-1]),
    "repeated index": (
        pd.DataFrame({"a": [1, 2]}, index=[0, 0]),
        pd.DataFrame({"a": [9, 2]}, index=[0, 0]),
    ),
    "index name": (frame, frame.rename_axis("k")),
    "series and frame": (pd.Series([1, 2], name="a"), pd.DataFrame({"a": [1, 2]})),
    "frame dtype": (frame, frame.astype("int32")),
    "object column": (
        pd.DataFrame({"a": [1, "1"]}, dtype=object),
        pd.DataFrame({"a": ["1", 1]}, dtype=object),
    ),
    "missing text": (pd.Series(["nan", "b"]), pd.Series([None, "b"], dtype="str")),
    "nullable": (pd.Series([1, None], dtype="Int64"), pd.Series([1, 0], dtype="Int64")),
    "categories": (
        pd.Series(["a"], dtype=pd.CategoricalDtype(["a", "b"])),
        pd.Series(["a"], dtype=pd.CategoricalDtype(["a", "c"])),
    ),
    "time zone": (
        pd.Series(pd.date_range("2026", periods=2, tz="UTC")),
        pd.Series(pd.date_range("2026", periods=2, tz="Asia/Tokyo")),
    ),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "dtype": (np.zeros(2, "int32"), np.zeros(2, "float32")),
    "array order": (np.array([1, 2]), np.array([2, 1])),
    "int and text": (1, "1"),
    "text and bytes": ("1", b"1"),
    "int and bool": (1, True),
    "int and float": (1, 1.0),
    "int and enum": (1, Number.ONE),
    "list and tuple": ([1], (1,)),
    "list and set": ([1], {1}),
    "set and frozenset": ({1}, frozenset({1})),
    "object and dict": (Point(1), {"x": 1}),
    "classes": (Point(1), Dot(1)),
    "deep": (nested(50, 1), nested(50, 2)),
    "very deep": (nested(5000, 1), nested(5001, 1)),
    "dict order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "list split": (["ab", "c"], ["a", "bc"]),
    "paths": (pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b")),
    "decimals": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "complex": (1j, 2j),
    "time stamps": (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02")),
    "time deltas": (pd.Timedelta(1), pd.Timedelta(2)),
    "dates": (datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)),
    "date and time": (datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1)),
    "partials": (functools.partial(max, 1), functools.partial(max, 2)),
    "functions": (fingerprinting.hash_bytes, fingerprinting.hash_repr),
    "none and text": (None, "None"),
    "named tuple": (collections.namedtuple("P", "x")(1), (1,)),
    "minus zero": (0.0, -0.0),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_values_that_a_function_can_tell_apart_differ(name):
    first, second = DIFFERENT[name]
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(first) == fingerprint(first)


def test_polars_and_arrow_go_by_schema_and_content():
    pl = pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    one = pl.DataFrame({"a": [1, 2]})
    assert fingerprint(one) == fingerprint(pl.DataFrame({"a": [1, 2]}))
    assert fingerprint(one) != fingerprint(one.rename({"a": "b"}))
    assert fingerprint(one) != fingerprint(one.cast(pl.Int32))
    assert fingerprint(one["a"]) != fingerprint(one)
    table = pa.table({"a": [1, 2]})
    assert fingerprint(table) == fingerprint(pa.table({"a": [1, 2]}))
    assert fingerprint(table.slice(1)) == fingerprint(pa.table({"a": [2]}))
    assert fingerprint(table) != fingerprint(pa.table({"b": [1, 2]}))


def test_equal_content_in_other_objects_is_equal():
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint([Point(1), Point(1)]) == fingerprint([point := Point(1), point])
    assert fingerprint(np.arange(6).reshape(2, 3).T) == fingerprint(
        np.arange(6).reshape(2, 3).T.copy()
    )


def test_a_loop_ends():
    first: list = [1]
    first.append(first)
    second: list = [1]
    second.append(second)
    assert fingerprint(first) == fingerprint(second)


def test_what_has_no_content_is_refused():
    for value in (threading.Lock(), (n for n in range(3)), [threading.Lock()]):
        with pytest.raises(NotFingerprintable):
            fingerprint(value)


@pytest.mark.slow
def test_fingerprints_are_the_same_in_another_process():
    code = (
        "from hamilton.caching.fingerprint import fingerprint as f\n"
        "import datetime, fractions\n"
        "print(f({'a': {'x', 'y', 'z'}, 'b': [1, 2.5, None], 'c': datetime.date(2026, 1, 1)}))"
    )
    here = fingerprint({"a": {"x", "y", "z"}, "b": [1, 2.5, None], "c": datetime.date(2026, 1, 1)})
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == here


leaves = st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.binary(max_size=5))
values = st.recursive(
    leaves,
    lambda c: st.lists(c, max_size=3) | st.tuples(c) | st.dictionaries(st.text(max_size=3), c),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(values, values)
def test_fingerprints_agree_exactly_when_values_and_types_do(first, second):
    assert (repr(first) == repr(second)) == (fingerprint(first) == fingerprint(second))


class Odd:
    def __init__(self, size):
        self.size = size
        self.lock = threading.Lock()


def test_a_registered_type_is_honoured():
    with pytest.raises(NotFingerprintable):
        fingerprint(Odd(1))

    @fingerprinting.hash_value.register(Odd)
    def hash_odd(obj, *args, depth=0, **kwargs):
        return fingerprinting.hash_primitive(obj.size)

    assert fingerprint(Odd(1)) == fingerprint(Odd(1)) != fingerprint(Odd(2))


def test_published_hashes_keep_their_texts():
    assert fingerprinting.hash_value("a") == "DMF1ucDxtqgxw5niaXcmYQ=="
    assert fingerprinting.hash_value(1) == fingerprinting.hash_value("1")
    assert fingerprinting.hash_value(None) == "<none>"
    assert fingerprinting.hash_value(b"a") == "DMF1ucDxtqgxw5niaXcmYQ=="
    pairs = {"a": 1, "b": 2}
    swapped = {"b": 2, "a": 1}
    assert fingerprinting.hash_mapping(pairs) == fingerprinting.hash_mapping(swapped)
    assert fingerprinting.hash_mapping(pairs, ignore_order=False) != fingerprinting.hash_mapping(
        swapped, ignore_order=False
    )
    assert fingerprinting.hash_set({1, 2}) == fingerprinting.hash_set({2, 1})
    assert fingerprinting.hash_value(threading.Lock) == fingerprinting.UNHASHABLE
