"""Requests: outputs, inputs, overrides; order, memory, depth, failures; queries; pickling."""

import pickle

import cloudpickle
import pytest

from hamilton import base, driver
from hamilton.errors import InputError, UnknownNodesError

TEXT = """
from hamilton.function_modifiers import tag

def a(x: int) -> int:
    return x + 1

@tag(owner="one", kind=["k1", "k2"])
def b(a: int) -> int:
    return a * 2

@tag(owner="two")
def c(a: int, b: int) -> int:
    return a + b
"""


def test_outputs_by_name_function_and_variable(source_module):
    module = source_module(TEXT)
    dr = driver.Builder().with_modules(module).build()
    (variable,) = [v for v in dr.list_available_variables() if v.name == "c"]
    result = dr.execute(["a", module.b, variable], inputs={"x": 1})
    assert result == {"a": 2, "b": 4, "c": 6}
    assert list(result) == ["a", "b", "c"]


def test_bad_entries_are_gathered(build):
    dr = build(TEXT)
    with pytest.raises(ValueError, match="2 errors encountered") as error:
        dr.execute([len, 5], inputs={"x": 1})
    assert "not in a module given to the materializer" in str(error.value)
    assert "is not a string, a function, or a driver.Variable" in str(error.value)


def test_bare_string_is_refused(build):
    with pytest.raises(ValueError, match=r"pass a list of names: \['c'\]"):
        build(TEXT).execute("c", inputs={"x": 1})


def test_unknown_name_gets_close_matches(build):
    def total_spend(x: int) -> int:
        return x

    with pytest.raises(UnknownNodesError, match=r"Unknown nodes \[totl_spend\] requested") as error:
        build(total_spend).execute(["totl_spend"])
    assert error.value.candidates == ("total_spend",)


def test_repeated_requests_collapse_and_empty_request_is_empty(build, source_module):
    dr = build(TEXT)
    assert dr.execute(["a", "a"], inputs={"x": 1}) == {"a": 2}
    assert dr.execute([]) == {}
    classic = driver.Driver({}, source_module(TEXT))
    assert len(classic.execute([])) == 1


def test_unknown_inputs_are_ignored_and_requestable(build):
    dr = build(TEXT)
    assert dr.execute(["a", "other"], inputs={"x": 1, "other": "v"}) == {"a": 2, "other": "v"}


def test_supplied_input_is_requestable_and_absent_one_is_missing(build):
    dr = build(TEXT)
    assert dr.execute(["x"], inputs={"x": 4}) == {"x": 4}
    with pytest.raises(ValueError, match="Required input x"):
        dr.execute(["x"])


def test_input_naming_a_function_is_refused(build):
    with pytest.raises(ValueError, match="overrides"):
        build(TEXT).execute(["c"], inputs={"x": 1, "b": 3})


def test_unknown_override_warns_once(build, caplog):
    dr = build(TEXT)
    for x in (1, 2):
        dr.execute(["a"], inputs={"x": x}, overrides={"nothing": 1})
    assert caplog.text.count("'nothing'") == 1


def test_all_problems_of_a_run_are_gathered_and_sorted(build):
    def f(x: int, y: str, z: float) -> int:
        return 1

    with pytest.raises(InputError, match="3 errors encountered") as error:
        build(f).execute(["f"], inputs={"x": "no", "y": 5})
    assert list(error.value.problems) == sorted(error.value.problems)
    assert len(error.value.problems) == 3


def test_a_missing_or_wrong_value_names_the_nodes_that_need_it(build):
    def f(x: int) -> int:
        return 1

    def g(x: int, y: str, z: str = "") -> int:
        return 1

    with pytest.raises(InputError) as error:
        build(f, g).execute(["f", "g"], inputs={"x": "no", "why": "text"})
    missing, wrong = error.value.problems
    assert "Required input y not provided for nodes: ['g']" in missing
    assert "Expected x:<class 'int'> got 'no'" in wrong
    assert "taken by nodes: ['f', 'g']" in wrong


def test_a_missing_value_points_at_one_of_a_similar_name(build):
    def f(length: int) -> int:
        return length

    with pytest.raises(InputError, match="Given was 'lenght': did you mean 'length'"):
        build(f).execute(["f"], inputs={"lenght": 1})


def test_mismatch_never_prints_the_whole_value(build):
    def f(x: int) -> int:
        return 1

    with pytest.raises(InputError) as error:
        build(f).execute(["f"], inputs={"x": "y" * 10_000})
    assert len(str(error.value)) < 500


def test_dictionaries_of_the_caller_are_not_changed(source_module):
    config, inputs, overrides = {"k": 1}, {"x": 1}, {"b": 2}
    dr = driver.Builder().with_modules(source_module(TEXT)).with_config(config).build()
    dr.execute(["c"], inputs=inputs, overrides=overrides)
    assert (config, inputs, overrides) == ({"k": 1}, {"x": 1}, {"b": 2})
    config["k"] = 2
    assert dr.config == {"k": 1}


def test_order_is_depth_first_in_request_and_parameter_order(build):
    ran = []

    def left() -> int:
        ran.append("left")
        return 1

    def right() -> int:
        ran.append("right")
        return 1

    def top(right: int, left: int) -> int:
        ran.append("top")
        return 1

    def other() -> int:
        ran.append("other")
        return 1

    build(left, right, top, other).execute(["other", "top"])
    assert ran == ["other", "right", "left", "top"]


def test_each_node_runs_once_and_values_are_shared(build):
    ran = []

    def a() -> list:
        ran.append("a")
        return []

    def b(a: list) -> list:
        return a

    def c(a: list) -> list:
        return a

    result = build(a, b, c).execute(["b", "c"])
    assert ran == ["a"]
    assert result["b"] is result["c"]


def test_repeated_request_reuses_its_plan(build):
    dr = build(TEXT)
    first = dr._requests.get(["c"], {"x": 1}, {}).plan
    assert dr._requests.get(["c"], {"x": 2}, {}).plan is first


def test_failing_node_keeps_its_exception_and_gets_one_note(build, caplog):
    def a(x: int) -> int:
        return x

    def broken(a: int) -> int:
        raise KeyError("inner")

    with pytest.raises(KeyError, match="inner") as error:
        build(a, broken).execute(["broken"], inputs={"x": 5})
    (note,) = error.value.__notes__
    assert "In node 'broken'" in note
    assert "test_execution_rules.py" in note
    assert "a=5" in note
    assert caplog.text.count("In node 'broken'") == 1


def test_raw_execute_warns_and_returns_the_dictionary(source_module):
    dr = driver.Driver({}, source_module(TEXT))
    with pytest.warns(DeprecationWarning, match="raw_execute"):
        assert dr.raw_execute(["a"], inputs={"x": 1}) == {"a": 2}


def test_tag_filters(build):
    dr = build(TEXT)

    def found(**tags):
        return {v.name for v in dr.list_available_variables(tag_filter=tags)}

    assert found(owner="one") == {"b"}
    assert found(owner=["one", "two"]) == {"b", "c"}
    assert found(owner=None) == {"b", "c"}
    assert found(kind="k2") == {"b"}
    assert found(owner="one", kind="k3") == set()
    with pytest.raises(ValueError, match="string or list of strings"):
        found(owner=5)


def test_graph_queries(build):
    dr = build(TEXT)

    def plain(variables):
        return [v.name for v in variables]

    assert plain(dr.what_is_upstream_of("b")) == ["x", "a", "b"]
    assert plain(dr.what_is_downstream_of("b")) == ["b", "c"]
    assert plain(dr.what_is_the_path_between("a", "c")) == ["a", "b", "c"]
    assert dr.what_is_the_path_between("c", "a") == []
    with pytest.raises(ValueError, match="Upstream node q not found in graph"):
        dr.what_is_the_path_between("q", "c")
    with pytest.raises(ValueError, match="Downstream node q not found"):
        dr.what_is_the_path_between("a", "q")
    with pytest.raises(ValueError, match="Unknown nodes"):
        dr.what_is_upstream_of("q")


def test_validate_execution_raises_what_execute_would(source_module):
    module = source_module(TEXT)
    dr = driver.Builder().with_modules(module).build()
    dr.validate_execution([module.c], inputs={"x": 1})
    with pytest.raises(ValueError, match="Required input"):
        dr.validate_execution(["c"])


def test_driver_of_a_file_pickles_by_name(importable):
    module = importable("pickled_case", "def f(x: int) -> int:\n    return x + 1\n")
    dr = driver.Driver({}, module, adapter=base.DefaultAdapter())
    assert pickle.loads(pickle.dumps(dr)).execute(["f"], inputs={"x": 1}) == {"f": 2}


def test_driver_of_source_text_pickles_its_source(source_module):
    import sys

    module = source_module("def f(x: int) -> int:\n    return x + 1\n", "memory_case")
    data = pickle.dumps(driver.Builder().with_modules(module).build())
    del sys.modules["memory_case"]
    try:
        assert pickle.loads(data).execute(["f"], inputs={"x": 1}) == {"f": 2}
    finally:
        sys.modules.pop("memory_case", None)


def test_driver_of_functions_pickles_them_by_value(build):
    offset = 10

    def f(x: int) -> int:
        return x + offset

    data = cloudpickle.dumps(build(f))
    assert pickle.loads(data).execute(["f"], inputs={"x": 1}) == {"f": 11}


@pytest.mark.parametrize(
    ("method", "arguments", "unknown", "meant"),
    [
        ("execute", (["a"],), "override", "overrides"),
        ("execute_all", (), "input", "inputs"),
        ("validate_execution", (["a"],), "input", "inputs"),
        ("export_execution", (["a"],), "input", "inputs"),
        ("materialize", (), "additional_var", "additional_vars"),
        ("list_available_variables", (), "filter", "tag_filter"),
        ("display_all_functions", (), "hide_input", "hide_inputs"),
        ("visualize_execution", (["a"],), "input", "inputs"),
        ("visualize_path_between", ("x", "a"), "strict", "strict_path_visualization"),
    ],
)
def test_unknown_keyword_names_the_right_one(build, method, arguments, unknown, meant):
    with pytest.raises(TypeError, match=rf"{method}\(\) got an .* Did you mean '{meant}'"):
        getattr(build(TEXT), method)(*arguments, **{unknown: None})


def test_unknown_keyword_of_constructors_names_the_right_one(source_module):
    with pytest.raises(TypeError, match="Did you mean 'adapter'"):
        driver.Driver({}, source_module(TEXT), adapters=[])
    with pytest.raises(TypeError, match="Did you mean 'recompute'"):
        driver.Builder().with_cache(recomputed=["a"])
    with pytest.raises(TypeError, match="It takes adapter, allow_module_overrides, config"):
        driver.Driver({}, source_module(TEXT), zzz=1)


def test_execute_all_computes_every_function_but_savers(build, tmp_path):
    from hamilton.function_modifiers import save_to

    @save_to.json(path=str(tmp_path / "never.json"))
    def a(x: int) -> dict:
        return {"x": x}

    def b(a: dict) -> int:
        return a["x"]

    assert build(a, b).execute_all(inputs={"x": 1}) == {"a": {"x": 1}, "b": 1}
    assert not (tmp_path / "never.json").exists()
