import pytest

from hamilton.function_modifiers import InvalidDecoratorException, config, hamilton_exclude

VARIANTS = """
from hamilton.function_modifiers import config

@config.when(kind="a")
def f__a() -> str:
    return "a"

@config.when_in(kind=["b", "c"])
def f__bc() -> str:
    return "bc"

@config.otherwise()
def f__other() -> str:
    return "other"
"""


@pytest.mark.parametrize(
    ("kind", "value"), [("a", "a"), ("b", "bc"), ("c", "bc"), ("z", "other"), (None, "other")]
)
def test_variants_and_the_default_branch(build, kind, value):
    given = {} if kind is None else {"kind": kind}
    assert build(VARIANTS, config=given).execute(["f"]) == {"f": value}


def test_when_not_and_when_not_in(build):
    text = """
from hamilton.function_modifiers import config

@config.when_not(kind="a")
def f__x() -> str:
    return "not a"

@config.when_not_in(name="g", kind=["a", "b"])
def whatever() -> str:
    return "not a or b"
"""
    assert build(text, config={"kind": "c"}).execute(["f", "g"]) == {
        "f": "not a",
        "g": "not a or b",
    }
    with pytest.raises(ValueError, match=r"kind!='a'"):
        build(text, config={"kind": "a"}).execute(["f"])


def test_stacked_conditions_must_all_hold_and_tag_the_node(build):
    text = """
from hamilton.function_modifiers import config

@config.when(a=1)
@config.when(b=2)
def f__both() -> int:
    return 1
"""
    dr = build(text, config={"a": 1, "b": 2})
    assert dr.execute(["f"]) == {"f": 1}
    (node,) = [v for v in dr.list_available_variables() if v.name == "f"]
    assert node.tags["hamilton.config"] in ("a", "b")
    assert "f" not in {
        v.name for v in build(text, config={"a": 1, "b": 3}).list_available_variables()
    }


def test_free_predicate_sees_the_whole_config(build):
    text = """
from hamilton.function_modifiers import config

@config(lambda given: given["x"] + given["y"] > 3, target_name="f")
def whatever() -> int:
    return 1
"""
    dr = build(text, config={"x": 2, "y": 2})
    assert dr.execute(["f"]) == {"f": 1}
    (node,) = [v for v in dr.list_available_variables() if v.name == "f"]
    assert node.tags["hamilton.config"] == "__UNKNOWN__"


def test_two_surviving_variants_are_a_duplicate(build):
    text = """
from hamilton.function_modifiers import config

@config.when(a=1)
def f__one() -> int:
    return 1

@config.when(b=1)
def f__two() -> int:
    return 2
"""
    with pytest.raises(ValueError, match="Cannot define function f more than once"):
        build(text, config={"a": 1, "b": 1})


def test_name_ending_in_double_underscore_is_refused():
    with pytest.raises(InvalidDecoratorException, match="ends in"):

        @config.when(a=1)
        def f__() -> int:
            return 1


def test_suffix_is_cut_at_the_last_double_underscore(build):
    text = """
from hamilton.function_modifiers import config

@config.when(a=1)
def f__mid__end() -> int:
    return 1
"""
    assert build(text, config={"a": 1}).execute(["f__mid"]) == {"f__mid": 1}


def test_excluded_functions_stay_callable(build):
    @hamilton_exclude
    def helper(x: int) -> int:
        return x

    def f() -> int:
        return 1

    assert helper(3) == 3
    assert {v.name for v in build(helper, f).list_available_variables()} == {"f"}
