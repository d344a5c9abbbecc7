"""Data paths in Python: what they print, what they ask, and what they refuse."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from deriva_catalog.errors import BadRequest, CatalogError, Conflict, UnknownName
from deriva_catalog.path import (
    Array,
    ArrayD,
    Avg,
    Bin,
    Cnt,
    CntD,
    Max,
    Min,
    PathBuilder,
    Sum,
    desc,
    parse_path,
    parse_query,
)
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.executor import Executor

# --- names -------------------------------------------------------------------------------


def test_tables_and_columns_are_attributes_and_items(catalog):
    path = PathBuilder(catalog)
    assert str(path.lab.Image) == str(path["lab"]["Image"]) == "lab:Image"
    assert path.lab.Image.Length.name == path.lab.Image["Length"].name == "Length"


def test_a_column_named_like_a_method_is_reached_as_an_item(lab):
    assert callable(lab.Image.filter)
    assert str(lab.Image.filter(lab.Image["filter"] == "x")) == "lab:Image/filter=x"
    assert str(lab.Image.filter(lab.Image["odd name"] == "a/b")) == ("lab:Image/odd%20name=a%2Fb")


def test_wrong_names_suggest_the_right_ones(catalog, lab):
    for broken, wanted in [
        (lambda: PathBuilder(catalog).lba, "'lab'"),
        (lambda: lab.Imag, "'Image'"),
        (lambda: lab["image"], "'Image'"),
        (lambda: lab.Image.lenght, "'Length'"),
    ]:
        with pytest.raises(UnknownName, match=wanted):
            broken()
    assert not hasattr(lab, "Imag")


def test_names_are_offered_for_completion(catalog, lab):
    assert "lab" in dir(PathBuilder(catalog))
    assert {"Image", "Subject"} <= set(dir(lab))
    assert {"Length", "link"} <= set(dir(lab.Image))
    assert "odd name" not in dir(lab.Image)
    assert "odd name" in lab.Image._ipython_key_completions_()


def test_paths_show_themselves_as_escaped_html(catalog, lab):
    assert "&lt;b&gt;bold&lt;/b&gt;" in PathBuilder(catalog)._repr_html_()
    assert "Image" in lab._repr_html_()
    assert "odd name" in lab.Image._repr_html_()
    assert "lab" in repr(lab)
    assert repr(lab.Image) == "<path lab:Image>"
    assert "Length" in repr(lab.Image.Length)


def test_builders_can_be_copied_and_pickled(lab):
    assert str(copy.copy(lab.Image)) == "lab:Image"
    assert str(pickle.loads(pickle.dumps(lab.Image.filter(lab.Image.Length > 1)))) == (
        "lab:Image/Length::gt::1"
    )


# --- conditions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda t: t.Length == 1, "Length=1"),
        (lambda t: t.Length != 1, "!Length=1"),
        (lambda t: t.Length < 1, "Length::lt::1"),
        (lambda t: t.Length <= 1, "Length::leq::1"),
        (lambda t: t.Length > 1, "Length::gt::1"),
        (lambda t: t.Length >= 1, "Length::geq::1"),
        (lambda t: t.Length == np.int64(3), "Length=3"),
        (lambda t: t.Score == np.float64(0.1), "Score=0.1"),
        (lambda t: t.Score == float("inf"), "Score=Infinity"),
        (lambda t: t.Score == float("nan"), "Score=NaN"),
        (lambda t: t.Score == Decimal("1.50"), "Score=1.50"),
        (lambda t: t.Public == True, "Public=true"),  # noqa: E712
        (lambda t: t.Notes == "", "Notes="),
        (lambda t: t.Notes == UUID(int=0), "Notes=00000000-0000-0000-0000-000000000000"),
        (lambda t: t.Notes == None, "Notes::null::"),  # noqa: E711
        (lambda t: t.Notes != None, "!Notes::null::"),  # noqa: E711
        (lambda t: t.Notes == pd.NA, "Notes::null::"),
        (lambda t: t.Taken == pd.NaT, "Taken::null::"),
        (lambda t: t.Notes.is_null(), "Notes::null::"),
        (lambda t: t.Notes.regexp("^a|b"), "Notes::regexp::%5Ea%7Cb"),
        (lambda t: t.Notes.ciregexp("x"), "Notes::ciregexp::x"),
        (lambda t: t.Notes.ts("a b"), "Notes::ts::a%20b"),
        (lambda t: t.Notes.any_of(["a", "b"]), "Notes=any(a,b)"),
        (lambda t: t.Notes.any_of([]), "Notes=any()"),
        (lambda t: t.Notes.any_of([""]), "Notes="),
        (lambda t: t.Notes.any_of(["a", "", None]), "Notes=any(a);Notes=;Notes::null::"),
        (lambda t: t.Tags.all_of(["a", ""]), "Tags=all(a)&Tags="),
        (lambda t: t.Tags == "a", "Tags=a"),
        (lambda t: t.Meta == {"a": [1, None]}, "Meta=%7B%22a%22%3A%5B1%2Cnull%5D%7D"),
        (lambda t: t.Meta == "x", "Meta=%22x%22"),
        (lambda t: t.any_column().ciregexp("x"), "*::ciregexp::x"),
        (
            lambda t: ~((t.Length > 1) | (t.Length < 0)) & (t.Notes == "x") & (t.Notes == "y"),
            "!(Length::gt::1;Length::lt::0)&Notes=x&Notes=y",
        ),
    ],
)
def test_conditions_become_filters(lab, make, text):
    path = lab.Image.filter(make(lab.Image))
    assert str(path) == f"lab:Image/{text}"
    assert parse_path(str(path)) == path.as_path()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05+00:00"),
        (
            datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-02T01:00:00+00:00",
        ),
        (pd.Timestamp("2026-01-02 00:00:00.5Z"), "2026-01-02T00:00:00.500000+00:00"),
        (np.datetime64("2026-01-02", "ns"), "2026-01-02T00:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_times_are_written_in_utc(lab, value, text):
    condition = lab.Image.Taken >= value
    assert lab.Image.filter(condition).as_path().elements[0].filter.operand == text


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.Length < None,
        lambda t: t.Length == [1, 2],
        lambda t: t.Length == b"x",
        lambda t: t.Meta == {"a": float("nan")},
        lambda t: t.Notes.any_of("abc"),
        lambda t: t.Notes.all_of([None]),
        lambda t: t.Notes.regexp(3),
    ],
)
def test_values_without_a_literal_are_refused(lab, make):
    with pytest.raises(BadRequest):
        make(lab.Image)


def test_a_condition_has_no_truth_value(lab):
    with pytest.raises(TypeError, match="&"):
        bool(lab.Image.Length > 1)
    with pytest.raises(TypeError, match="parentheses"):
        (lab.Image.Length > 1) & 3


def test_thousands_of_alternatives_stay_flat(lab):
    condition = lab.Image.Length == 0
    for number in range(1, 3000):
        condition = condition | (lab.Image.Length == number)
    assert len(lab.Image.filter(condition).as_path().elements[0].filter.terms) == 3000


def test_conditions_that_nest_too_deep_are_refused(lab):
    def nested():
        condition = lab.Image.Length == 0
        for _ in range(100):
            condition = ~condition
        return condition

    with pytest.raises(BadRequest, match="deeper"):
        nested()


# --- links -------------------------------------------------------------------------------


def test_a_link_without_columns_follows_the_foreign_keys(lab):
    assert str(lab.Image.link(lab.Subject).link(lab.Site)) == "lab:Image/lab:Subject/lab:Site"
    assert str(lab.Subject.link(lab.Image, alias="I")) == "lab:Subject/I:=lab:Image"


@pytest.mark.parametrize(
    ("on", "text"),
    [
        (lambda i, s: i.Subject, "(Subject)"),
        (lambda i, s: "Subject", "(Subject)"),
        (lambda i, s: [i.Subject], "(Subject)"),
        (lambda i, s: s.RID, "(lab:Subject:RID)"),
        (lambda i, s: [(i.Subject, s.RID)], "(Subject)=(lab:Subject:RID)"),
        (lambda i, s: [("Notes", "Name")], "(Notes)=(lab:Subject:Name)"),
    ],
)
def test_a_link_can_name_its_columns(lab, on, text):
    image, subject = lab.Image, lab.Subject
    assert str(image.link(subject, on=on(image, subject))) == f"lab:Image/{text}"


def test_an_endpoint_with_several_foreign_keys_is_spelled_out(lab):
    subject, image, pair = lab.Subject, lab.Image, lab.Pair
    linked = subject.link(image, on=subject.RID)
    assert str(linked) == "lab:Subject/(RID)=(lab:Image:Subject)"
    assert str(subject.link(pair, on=pair.Left)) == "lab:Subject/(lab:Pair:Left)"


@pytest.mark.parametrize("join", ["left", "right", "full"])
def test_outer_joins_are_spelled_out(lab, join):
    path = lab.Image.link(lab.Subject, join=join)
    assert str(path) == f"lab:Image/{join}(Subject)=(lab:Subject:RID)"
    assert str(lab.Image.link(lab.Subject, on="Subject", join=join)) == (
        f"lab:Image/{join}(Subject)"
    )


def test_a_table_is_joined_with_itself_by_aliases(lab):
    child, parent = lab.Image.alias("C"), lab.Image.alias("P")
    path = child.link(parent, on=[(child.Parent, parent.RID)])
    assert str(path) == "C:=lab:Image/P:=(Parent)=(lab:Image:RID)"
    result = path.attributes(child.RID, parent=parent.RID)
    assert result.url == ("attribute/C:=lab:Image/P:=(Parent)=(lab:Image:RID)/C:RID,parent:=RID")


def test_columns_of_earlier_tables_get_an_alias_by_themselves(lab):
    image, subject = lab.Image, lab.Subject
    path = image.link(subject).filter(image.Length > 3)
    assert str(path) == "t0:=lab:Image/lab:Subject/t0:Length::gt::3"
    assert str(image) == "lab:Image"
    again = path.attributes(image.RID, subject.Name, length=lab.Image.Length)
    assert again.url.endswith("/t0:RID,Name,length:=t0:Length")


def test_a_column_of_a_table_that_occurs_twice_is_ambiguous(lab):
    pair = lab.Pair
    path = (
        lab.Subject.alias("A").link(pair, on=pair.Left).link(lab.Subject.alias("B"), on=pair.Right)
    )
    assert str(path) == "A:=lab:Subject/(lab:Pair:Left)/B:=(Right)"
    with pytest.raises(UnknownName, match="2 times"):
        path.filter(lab.Subject.Name == "x")
    assert str(path.filter(path.Name == "x")).endswith("/Name=x")


def test_the_context_moves_to_earlier_tables(lab):
    image = lab.Image.alias("I")
    path = image.link(lab.Subject).link(lab.Site)
    assert str(path.context("I")) == "I:=lab:Image/lab:Subject/lab:Site/$I"
    assert str(path.reset()) == str(path.context(image)) == str(path.context("I"))
    assert path.reset().Length.name == "Length"
    assert str(path.reset().reset()) == str(path.reset())
    assert str(path.context(lab.Subject)) == "I:=lab:Image/t1:=lab:Subject/lab:Site/$t1"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda lab: lab.Image.link(lab.Site), Conflict),
        (lambda lab: lab.Image.link(lab.Image), Conflict),
        (lambda lab: lab.Pair.link(lab.Subject, join="left"), Conflict),
        (lambda lab: lab.Image.link(lab.Subject, on="Notes"), Conflict),
        (lambda lab: lab.Image.link(lab.Subject, on="Nots"), UnknownName),
        (lambda lab: lab.Image.link(lab.Subject, on=[("Notes", lab.Site.Name)]), Conflict),
        (lambda lab: lab.Image.link(lab.Subject, on=[("Notes", "Nam")]), UnknownName),
        (lambda lab: lab.Image.link(lab.Subject, on=[]), BadRequest),
        (lambda lab: lab.Image.link(lab.Subject, join="outer"), BadRequest),
        (lambda lab: lab.Image.link(lab.Subject.filter(lab.Subject.RID == "1")), BadRequest),
        (lambda lab: lab.Image.link("Subject"), BadRequest),
        (lambda lab: lab.Image.filter(True), BadRequest),
        (lambda lab: lab.Image.filter(lab.Site.Name == "x"), UnknownName),
        (lambda lab: lab.Image.context("M"), UnknownName),
        (lambda lab: lab.Image.alias("A").alias("B"), BadRequest),
        (lambda lab: lab.Image.alias("A").link(lab.Subject).alias("A"), BadRequest),
    ],
)
def test_steps_that_mean_nothing_are_refused(lab, make, error):
    with pytest.raises(error):
        make(lab)


# --- results -----------------------------------------------------------------------------


def test_results_print_as_urls(lab):
    image, subject = lab.Image, lab.Subject
    assert image.entities().url == "entity/lab:Image"
    assert image.attributes(image.RID, n=image.Notes, b=Bin(image.Length, 4, 0, 10)).url == (
        "attribute/lab:Image/RID,n:=Notes,b:=bin(Length;4;0;10)"
    )
    path = image.alias("I").link(subject.alias("S"))
    grouped = path.groupby(subject.Name, day=image.Taken).attributes(
        images=Cnt(image.RID), rows=ArrayD(image), top=Max(image.Score)
    )
    assert grouped.sort(desc("images"), subject.Name).limit(5).url == (
        "attributegroup/I:=lab:Image/S:=lab:Subject/Name,day:=I:Taken;"
        "images:=cnt(I:RID),rows:=array_d(I:*),top:=max(I:Score)"
        "@sort(images::desc::,Name)?limit=5"
    )
    assert path.groupby(subject.Name).attributes().url.endswith("lab:Subject/Name")


def test_aggregates_know_every_function(lab):
    t = lab.Image
    result = t.aggregates(
        a=Min(t.Length), b=Max(t.Length), c=Sum(t.Length), d=Avg(t.Length), e=Cnt(),
        f=CntD(t.Notes), g=Array(t.Notes), h=ArrayD(t),
    )  # fmt: skip
    assert result.url == (
        "aggregate/lab:Image/a:=min(Length),b:=max(Length),c:=sum(Length),d:=avg(Length),"
        "e:=cnt(*),f:=cnt_d(Notes),g:=array(Notes),h:=array_d(*)"
    )


def test_outputs_sort_by_column_name_or_position_in_a_star(lab):
    image, subject = lab.Image.alias("I"), lab.Subject
    path = image.link(subject)
    result = path.attributes(image, name=subject.Name)
    assert result.sort(image.Length.desc, subject.Name, "I:RID").url.endswith(
        "/I:*,name:=Name@sort(I%3ALength::desc::,name,I%3ARID)"
    )
    with pytest.raises(UnknownName):
        result.sort("Nam")
    with pytest.raises(UnknownName):
        path.attributes(subject.Name).sort(image.Length)
    with pytest.raises(BadRequest):
        image.aggregates(n=Cnt()).sort("n")


def test_pages_take_values_or_the_last_row(lab):
    image = lab.Image
    result = image.entities().sort(image.Taken, image.RID)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert result.after(moment, "1A").url.endswith("@after(2026-01-01T00%3A00%3A00%2B00%3A00,1A)")
    assert result.after({"Taken": None, "RID": "1A", "Length": 3}).url.endswith(
        "@after(::null::,1A)"
    )
    assert result.before(None, "").limit(3).url.endswith("@before(::null::,)?limit=3")


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.entities().after("x"),
        lambda t: t.entities().sort(t.RID).after("x", "y"),
        lambda t: t.entities().sort(t.RID).before("x"),
        lambda t: t.entities().sort(t.RID).after({"Notes": 1}),
        lambda t: t.entities().limit("3"),
        lambda t: t.attributes(),
        lambda t: t.attributes(t.RID, RID=t.Notes),
        lambda t: t.attributes(n=Cnt(t.RID)),
        lambda t: t.attributes("RID"),
        lambda t: t.attributes(Bin(t.Length, 4, 0, 10)),
        lambda t: t.attributes(b=Bin(t.Length, 0, 0, 10)),
        lambda t: t.aggregates(n=CntD(None)),
        lambda t: t.aggregates(n=Cnt("RID")),
    ],
)
def test_results_that_mean_nothing_are_refused(lab, make):
    with pytest.raises(BadRequest):
        make(lab.Image).fetch()


def test_nothing_is_asked_before_rows_are_wanted(catalog, lab):
    catalog.rows = [{"RID": "1"}, {"RID": "2"}, {"RID": "3"}]
    result = lab.Image.entities().sort("RID").limit(2)
    assert catalog.asked == []
    assert result.fetch() == catalog.rows[:2]
    assert catalog.asked == [parse_query("entity/lab:Image@sort(RID)?limit=2").query]
    assert result.fetch(limit=1) == catalog.rows[:1]
    assert [row["RID"] for row in result] == ["1", "2"]
    assert len(result) == 2
    assert result


def test_counting_asks_for_a_count_or_for_rows(catalog, lab):
    catalog.rows = [{"RID": "1"}, {"RID": "2"}]
    assert lab.Image.entities().count() == 2
    assert catalog.asked == [lab.Image.as_path()]
    assert lab.Image.groupby(lab.Image.Notes).attributes().count() == 2
    assert lab.Image.entities().sort("RID").after("0").count() == 2
    assert len(catalog.asked) == 3


def test_a_stream_is_passed_on(catalog, lab):
    assert b"".join(lab.Image.entities().stream("application/json")) == b"[]\n"
    assert catalog.asked[0][1] == "application/json"


ROWS = [
    {"RID": "1", "Length": 2**60 + 1, "Taken": "2026-01-02T03:04:05.5+00:00", "Score": "NaN"},
    {"RID": "2", "Length": None, "Taken": "2026-01-02T03:04:05+00:00", "Score": 1},
]


def test_frames_have_the_types_of_the_model(catalog, lab):
    catalog.rows = ROWS
    t = lab.Image
    frame = t.attributes(t.RID, t.Length, t.Taken, t.Score, t.Notes).dataframe()
    assert list(frame.columns) == ["RID", "Length", "Taken", "Score", "Notes"]
    assert frame.Length[0] == 2**60 + 1
    assert str(frame.Length.dtype) == "Int64"
    assert frame.Taken[1] == pd.Timestamp("2026-01-02T03:04:05Z")
    assert str(frame.Score.dtype) == "float64"


def test_an_empty_frame_has_all_columns(lab):
    frame = lab.Image.entities().dataframe()
    assert list(frame.columns) == [c.name for c in lab.Image._scope.table.columns]
    assert str(frame.Length.dtype) == "int64"
    assert len(frame) == 0


def test_arrow_tables_have_the_types_of_the_model(catalog, lab):
    pytest.importorskip("pyarrow")
    catalog.rows = [{**r, "Meta": {"a": 1}, "Tags": ["x", None]} for r in ROWS]
    t = lab.Image
    table = t.attributes(t.RID, t.Length, t.Taken, t.Score, t.Meta, t.Tags, t.Public).arrow()
    assert [str(f.type) for f in table.schema] == [
        "string", "int64", "timestamp[us, tz=UTC]", "double", "string",
        "list<item: string>", "bool",
    ]  # fmt: skip
    assert table.column("Length").to_pylist() == [2**60 + 1, None]
    assert table.column("Meta").to_pylist()[0] == '{"a": 1}'


def test_mixed_values_become_json_in_arrow_tables(catalog, lab):
    pytest.importorskip("pyarrow")
    catalog.rows = [{"b": [1, "x"]}, {"b": None}]
    table = lab.Image.aggregates(b=Array(lab.Image.Meta)).arrow()
    assert table.column("b").to_pylist() == ['[1, "x"]', None]


def test_a_result_shows_its_first_rows_as_escaped_html(catalog, lab):
    catalog.rows = [{"RID": f"<{n}>", "Notes": None} for n in range(30)]
    html = lab.Image.attributes(lab.Image.RID, lab.Image.Notes)._repr_html_()
    assert "&lt;9&gt;" in html
    assert "&lt;10&gt;" not in html
    assert "None" not in html
    assert "attribute/lab:Image" in repr(lab.Image.attributes(lab.Image.RID))


# --- writing -----------------------------------------------------------------------------


def test_a_table_writes_through_its_catalog(catalog, lab):
    rows = [{"Notes": "x"}]
    assert lab.Image.insert(rows, defaults=["Length"], on_conflict="skip") == rows
    table, sent, options = catalog.asked.pop()
    assert (table, sent, options["on_conflict"]) == (TableName("Image", "lab"), rows, "skip")
    assert options["defaults"] == ["Length"]
    assert lab.Image.update(iter(rows), keys=["Notes"], targets=["Length"]) == rows
    assert catalog.asked.pop()[2] == {"keys": ["Notes"], "targets": ["Length"]}


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda image: image.insert([{"Notes": "x"}, {"Lenght": 3}]), "Did you mean 'Length'"),
        (lambda image: image.insert({"Notes": "x"}), "put it in a list"),
        (lambda image: image.insert(["Notes"]), "rows of type str"),
        (lambda image: image.update([{"RID": "1", "Notes": "x"}, {"Notes": "y"}]), "Row 2 .*'RID'"),
    ],
)
def test_rows_that_cannot_be_meant_are_refused_before_they_are_sent(catalog, lab, write, said):
    with pytest.raises(CatalogError, match=said):
        write(lab.Image)
    assert catalog.asked == []


def test_delete_needs_a_filter_or_a_word(catalog, lab):
    with pytest.raises(BadRequest, match="empty the table"):
        lab.Image.delete()
    lab.Image.filter(lab.Image.Length < 0).delete()
    lab.Image.delete(all_rows=True)
    assert catalog.asked == [parse_path("lab:Image/Length::lt::0"), parse_path("lab:Image")]


def test_only_a_plain_table_takes_rows(lab):
    path = lab.Image.link(lab.Subject)
    with pytest.raises(BadRequest, match="insert"):
        path.insert([])
    with pytest.raises(BadRequest, match="update"):
        path.update([])


def test_a_path_is_no_sequence_of_rows(lab):
    with pytest.raises(TypeError, match="entities"):
        list(lab.Image)


def test_the_catalog_in_memory_is_an_executor(catalog):
    executor: Executor = catalog
    assert executor.model.version == 1
