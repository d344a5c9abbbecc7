import pytest

from deriva_catalog.errors import BadRequest, Conflict, UnknownName

ALL_IMAGES = {"1B0", "1B2", "1B4", "1B6"}


@pytest.mark.parametrize(
    ("url", "rids"),
    [
        ("entity/Image", ALL_IMAGES),
        ("entity/:S:Image", ALL_IMAGES),
        ("entity/S:Subject/S:Image", {"1B0", "1B2", "1B4"}),
        ("entity/Image/Subject", {"1A0", "1A2"}),
        ("entity/A:=Subject/B:=Image/$A", {"1A0", "1A2"}),
        ("entity/Subject/(id)=(S:Image:subject)", {"1B0", "1B2", "1B4"}),
        ("entity/Subject/(S:Image:subject)", {"1B0", "1B2", "1B4"}),
        ("entity/Image/(subject)", {"1A0", "1A2"}),
        ("entity/Image/(S:Subject:id)", {"1A0", "1A2"}),
        ("entity/I:=Image/Subject/$I/(I:subject)", {"1A0", "1A2"}),
        ("entity/Subject/Pair", {"1D0", "1D2"}),
        ("entity/Pair/Subject", {"1A0", "1A2"}),
        ("entity/Pair/(other)", {"1A2"}),
        ("entity/Subject/(S:Pair:other)", {"1D0"}),
        ("entity/S:Tree/id=2/(parent)", {"1C0"}),
        ("entity/S:Tree/id=1/(id)", {"1C2", "1C4"}),
        ("entity/A:=Subject/B:=(id)=(S:Image:subject)/n=10/$A", {"1A0"}),
        ("entity/A:=Subject/B:=Image/$A/B:n=10;A:name=bob", {"1A0", "1A2"}),
        ("entity/A:=Subject/B:=left(id)=(S:Image:subject)/$A/B:RID::null::", {"1A4"}),
        ("entity/A:=Subject/B:=left(id)=(S:Image:subject)/n=10/$A", {"1A0"}),
        ("entity/A:=Subject/id=1/right(id)=(S:Image:subject)", ALL_IMAGES),
        ("entity/A:=Subject/id=1/right(id)=(S:Image:subject)/A:id::null::", {"1B4", "1B6"}),
        ("entity/A:=Subject/id=1/full(id)=(S:Image:subject)", ALL_IMAGES),
        ("entity/A:=Subject/id=3/B:=full(id)=(S:Image:subject)/$A", {"1A4"}),
        ("entity/A:=Subject/B:=left(id)=(S:Image:subject)", {"1B0", "1B2", "1B4"}),
        ("entity/Image/RID=1b0", {"1B0"}),
        ("entity/Image/RID=any(1b0,1-B2,zz)", {"1B0", "1B2"}),
    ],
)
def test_a_path_yields_the_rows_of_its_context(reader, url, rids):
    assert reader.rids(url) == rids
    assert reader.context_rids(url.removeprefix("entity/")) == rids


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("entity/Imag", UnknownName, "'Image'"),
        ("entity/X:Image", UnknownName, "'X'"),
        ("entity/Tree", Conflict, "several schemas"),
        ("entity/Image/S:Tree", Conflict, "No foreign key"),
        ("entity/S:Tree/S:Tree", Conflict, "ambiguous"),
        ("entity/Subject/(id)", Conflict, "3 foreign keys"),
        ("entity/Subject/(name)", Conflict, "no side of a foreign key"),
        ("entity/Subject/(nam)", UnknownName, "'name'"),
        ("entity/Subject/(S:Image:name)", Conflict, "no side of a foreign key"),
        ("entity/Subject/(id)=(S:Image:name)", Conflict, "cannot be equal"),
        ("entity/Image/nam=x", UnknownName, "'name'"),
        ("entity/Image/n=x", BadRequest, "int4"),
        ("entity/Image/day=x", Conflict, "date"),
        ("entity/Image/name::regexp::%5B", Conflict, "regular expression"),
        ("entity/Image/info::lt::1", Conflict, "no order"),
        ("entity/Image@sort(nope)", UnknownName, "nope"),
        ("attribute/Image/name@sort(n)", BadRequest, "'n'"),
        ("attribute/Image/name,x:=Foo:name", UnknownName, "Foo"),
        ("attribute/Image/*,n", BadRequest, "Two outputs"),
        ("aggregate/Image/s:=sum(name)", Conflict, "text"),
        ("aggregate/Image/s:=max(valid)", Conflict, "boolean"),
        ("attributegroup/Image/b:=bin(name;2;0;1)", Conflict, "text"),
        ("attributegroup/Image/RID;x:=array(n)@sort(x)", Conflict, "no order"),
    ],
)
def test_what_a_path_gets_wrong_is_reported_with_its_status(reader, url, error, words):
    with pytest.raises(error, match=words) as caught:
        reader.compile(url)
    assert caught.value.status == error.status


def test_an_entity_path_without_joins_is_a_plain_select(reader):
    sql = reader.sql("entity/S:Image/n=5")
    assert "DISTINCT" not in sql
    assert "GROUP BY" not in sql
    assert " IN " not in sql


def test_a_path_along_references_is_a_plain_join(reader):
    sql = reader.sql("entity/Subject/Image")
    assert "JOIN" in sql
    assert "GROUP BY" not in sql
    assert " IN " not in sql


def test_hostile_names_are_data(reader_of):
    from .conftest import make_table

    names = ["limit", "left", 'q"uo', "a:b", "ünï", "n", "o", "%s", "o0", "x'y", "?"]
    table = make_table("1-T", "s c:h", "table", {name: "text" for name in names})
    made = reader_of(table)
    made.insert("s c:h:table", {"RID": "1T0", **{n: f"v {n}" for n in names}})
    row = made.rows("entity/s%20c%3Ah:table/limit=v%20limit@sort(n)")[0]
    assert {n: row[n] for n in names} == {n: f"v {n}" for n in names}
    group = made.rows("attributegroup/table/o0;left:=array_d(*)@sort(o0)")[0]
    assert group["left"][0]['q"uo'] == 'v q"uo'
    assert made.text("attribute/table/RID,q%22uo", "text/csv") == 'RID,"q""uo"\n1T0,"v q""uo"\n'


def test_tables_with_hundreds_of_columns_are_read(reader_of):
    from .conftest import make_table

    names = [f"c{i}" for i in range(300)]
    made = reader_of(make_table("1-T", "S", "Wide", {n: "int4" for n in names}))
    made.insert("S:Wide", {"RID": "1T0", **{n: i for i, n in enumerate(names)}})
    row = made.rows("entity/Wide")[0]
    assert list(row)[5:] == names
    assert row["c299"] == 299
    assert made.rows("attributegroup/Wide/RID;r:=array(*)")[0]["r"] == [row]
    assert made.text("entity/Wide", "text/csv").endswith(",298,299\n")
