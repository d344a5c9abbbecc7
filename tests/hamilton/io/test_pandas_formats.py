"""Every pandas reader and writer that stands for a file format, through the driver."""

import pandas as pd
import pytest

from hamilton import driver
from hamilton.io.materialization import from_, to

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
SAME = """
import pandas as pd

def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame

def several(tables: list) -> int:
    return len(tables)
"""


@pytest.fixture
def dr(source_module):
    return driver.Builder().with_modules(source_module(SAME)).build()


def loaded(dr, key, **arguments):
    _, values = dr.materialize(
        getattr(from_, key)(target="frame", **arguments), additional_vars=["same"]
    )
    return values["same"]


ROUND_TRIPS = [
    # key, the library's own name of the file when writing and reading, further arguments
    ("xml", "path_or_buffer", "path_or_buffer", {"index": False}, {}, "lxml"),
    ("html", "buf", "io", {"index": False}, {}, "lxml"),
    ("stata", "path", "filepath_or_buffer", {"write_index": False}, {}, None),
    ("feather", "path", "path", {}, {}, "pyarrow"),
    ("orc", "path", "path", {}, {}, "pyarrow"),
]


@pytest.mark.parametrize(
    ("key", "written", "read", "saving", "loading", "library"),
    ROUND_TRIPS,
    ids=[entry[0] for entry in ROUND_TRIPS],
)
@pytest.mark.parametrize("by_path", [True, False], ids=["path", "own name"])
def test_round_trip(dr, tmp_path, key, written, read, saving, loading, library, by_path):
    if library:
        pytest.importorskip(library)
    path = tmp_path / "new" / "folder" / f"f.{key}"
    place = {"path" if by_path else written: str(path)}
    metadata, _ = dr.materialize(
        getattr(to, key)(id="s", dependencies=["same"], **place, **saving),
        inputs={"frame": FRAME},
    )
    assert metadata["s"]["file_metadata"]["size"] == path.stat().st_size
    assert metadata["s"]["dataframe_metadata"]["column_names"] == ["a", "b"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    found = loaded(dr, key, **{"path" if by_path else read: str(path)}, **loading)
    pd.testing.assert_frame_equal(found, FRAME, check_dtype=False)


@pytest.mark.parametrize("by", ["path", "filepath_or_buffer"])
@pytest.mark.parametrize(
    ("key", "text"), [("table", "a\tb\n1\tx\n2\ty\n"), ("fwf", "a    b\n1    x\n2    y\n")]
)
def test_text_tables_are_read(dr, tmp_path, key, text, by):
    path = tmp_path / "f.txt"
    path.write_text(text)
    pd.testing.assert_frame_equal(loaded(dr, key, **{by: str(path)}), FRAME, check_dtype=False)


def test_spss_files_are_read(dr, tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    path = tmp_path / "f.sav"
    pyreadstat.write_sav(FRAME, str(path))
    found = loaded(dr, "spss", path=str(path))
    pd.testing.assert_frame_equal(found, FRAME, check_dtype=False)


def test_a_page_of_several_tables_is_a_list(dr, tmp_path):
    pytest.importorskip("lxml")
    path = tmp_path / "page.html"
    path.write_text(FRAME.to_html() * 2)
    _, values = dr.materialize(
        from_.html(target="tables", path=str(path)), additional_vars=["several"]
    )
    assert values["several"] == 2
    with pytest.raises(ValueError, match="holds 2 tables"):
        loaded(dr, "html", path=str(path))


def test_sql_goes_through_sqlalchemy_too(dr, tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'd.db'}")
    metadata, _ = dr.materialize(
        to.sql(id="s", dependencies=["same"], table_name="t", db_connection=engine, index=False),
        inputs={"frame": FRAME},
    )
    assert metadata["s"]["sql_metadata"]["rows"] == 2
    found = loaded(dr, "sql", query_or_table="t", db_connection=engine)
    engine.dispose()
    pd.testing.assert_frame_equal(found, FRAME, check_dtype=False)


class Unwritable:
    def __str__(self):
        raise ValueError("cannot be written")


def test_a_writer_that_fails_leaves_the_old_file(dr, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="cannot be written"):
        dr.materialize(
            to.csv(id="s", dependencies=["same"], path=str(path)),
            inputs={"frame": pd.DataFrame({"a": [1, Unwritable()]})},
        )
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.csv"]
