"""The seventeen cases of the driver document, each through the public API."""

import importlib
import inspect
import sys

import pandas as pd
import pytest

from hamilton import base, driver
from hamilton.base import HamiltonGraphAdapter, ResultMixin

MARKETING = '''
import pandas as pd
from hamilton.function_modifiers import config

calls = []

@config.when(business_line='CA')
def avg_rolling_spend__CA(spend: pd.Series) -> pd.Series:
    """Rolling average of spend in the canada region."""
    return spend.rolling(3).mean()

@config.when(business_line='US')
def avg_rolling_spend__US(spend: pd.Series) -> pd.Series:
    """Rolling average of spend in the US region."""
    return spend.rolling(2).mean()

def acquisition_cost(spend: pd.Series, signups: pd.Series) -> pd.Series:
    calls.append("acquisition_cost")
    return spend / signups
'''
SIMPLE = """
def desired_output1(a: int) -> int:
    return a + 1

def desired_output2(desired_output1: int) -> int:
    return desired_output1 * 2
"""
SPEND = pd.Series([10.0, 20.0, 30.0, 40.0])


def test_case_1_basic_structure_returns_a_frame_in_request_order(importable):
    importable("my_functions", SIMPLE)
    module = importlib.import_module("my_functions")
    adapter = base.SimplePythonDataFrameGraphAdapter()
    dr = driver.Driver({"a": 1}, module, adapter=adapter)
    result = dr.execute(["desired_output2", "desired_output1"])
    assert isinstance(result, pd.DataFrame)
    assert list(result.columns) == ["desired_output2", "desired_output1"]
    assert result.to_dict("records") == [{"desired_output2": 4, "desired_output1": 2}]


def test_case_2_visualize_execution_needs_no_inputs(importable, tmp_path):
    dr = driver.Driver({}, importable("seed_two", SIMPLE))
    path = tmp_path / "my_file.dot"
    drawing = dr.visualize_execution(["desired_output1", "desired_output2"], str(path), {})
    assert drawing is not None
    assert "desired_output1" in path.read_text()
    (image,) = tmp_path.glob("my_file.dot.*")
    assert image.suffix in (".png", ".svg")  # svg where graphviz is not installed
    assert image.stat().st_size > 100


def test_case_3_config_is_available_at_run_time_and_disjoint_from_inputs(importable):
    dr = driver.Driver({"a": 5}, importable("seed_three", SIMPLE), adapter=base.DefaultAdapter())
    assert dr.execute(["desired_output1"]) == {"desired_output1": 6}
    with pytest.raises(ValueError, match="present in both config and inputs") as error:
        dr.execute(["desired_output1"], inputs={"a": 1})
    assert "['a']" in str(error.value)


@pytest.mark.parametrize(("line", "window"), [("US", 2), ("CA", 3)])
def test_case_4_config_when_chooses_the_variant(importable, line, window):
    module = importable("marketing", MARKETING)
    dr = driver.Driver({"business_line": line}, module)
    result = dr.execute(["avg_rolling_spend"], inputs={"spend": SPEND})
    pd.testing.assert_series_equal(
        result["avg_rolling_spend"], SPEND.rolling(window).mean(), check_names=False
    )


def test_case_4_wrong_key_says_which_config_provides_the_node(importable):
    module = importable("marketing_wrong", MARKETING)
    dr = driver.Driver({"region": "US"}, module)
    with pytest.raises(ValueError, match="avg_rolling_spend") as error:
        dr.execute(["avg_rolling_spend"], inputs={"spend": SPEND})
    assert "business_line='US'" in str(error.value)


REGION = """
import pandas as pd

def avg_rolling_spend(spend_by_country: pd.DataFrame, region: str) -> pd.Series:
    return spend_by_country[spend_by_country.region == region].spend
"""


def test_case_5_region_through_inputs_or_config(importable):
    module = importable("region", REGION)
    frame = pd.DataFrame({"region": ["US", "CA"], "spend": [1, 2]})
    inputs = {"spend_by_country": frame}
    by_input = driver.Driver({}, module).execute(
        ["avg_rolling_spend"], inputs={**inputs, "region": "US"}
    )
    by_config = driver.Driver({"region": "US"}, module).execute(
        ["avg_rolling_spend"], inputs=inputs
    )
    pd.testing.assert_frame_equal(by_input, by_config)
    assert by_input["avg_rolling_spend"].tolist() == [1]


def test_case_5_the_keyword_input_is_answered_with_inputs(importable):
    dr = driver.Driver({}, importable("region_typo", REGION))
    with pytest.raises(TypeError, match="Did you mean 'inputs'"):
        dr.execute(["avg_rolling_spend"], input={"region": "US"})


def test_case_6_override_of_an_external_input(importable):
    index = pd.date_range("2022-01-01", periods=6, freq="W")
    signups = pd.Series([1, 10, 50, 100, 200, 400], index=index)
    dr = driver.Driver({"signups": signups}, importable("marketing_override", MARKETING))
    df = dr.execute(
        ["acquisition_cost"],
        overrides={"spend": pd.Series([40, 80, 100, 400, 800, 1000], index=index)},
    )
    assert df["acquisition_cost"].tolist() == [40.0, 8.0, 2.0, 4.0, 4.0, 2.5]


def test_case_7_nothing_upstream_of_an_override_runs(build):
    calls = []

    def a(x: int) -> int:
        calls.append("a")
        return x

    def b(a: int) -> int:
        calls.append("b")
        return a

    def c(b: int) -> int:
        calls.append("c")
        return b + 1

    assert build(a, b, c).execute(["c"], overrides={"b": 10}) == {"c": 11}
    assert calls == ["c"]


def test_case_8_default_execution_is_local_in_the_calling_thread(importable):
    import threading

    module = importable(
        "threaded", "import threading\n\ndef who() -> int:\n    return threading.get_ident()\n"
    )
    result = driver.Driver({}, module).execute(["who"])
    assert isinstance(result, pd.DataFrame)
    assert result["who"].tolist() == [threading.get_ident()]


class StaticBuilder(ResultMixin):
    @staticmethod
    def build_result(**outputs):
        return sorted(outputs.items())


class InstanceBuilder(ResultMixin):
    def __init__(self, name):
        self.name = name

    def build_result(self, **outputs):
        return {self.name: outputs}


def test_case_9_own_result_builders_static_and_instance(importable):
    module = importable("seed_nine", SIMPLE)
    static = driver.Driver({"a": 1}, module, adapter=base.SimplePythonGraphAdapter(StaticBuilder()))
    assert static.execute(["desired_output1"]) == [("desired_output1", 2)]
    instance = driver.Driver(
        {"a": 1}, module, adapter=base.SimplePythonGraphAdapter(InstanceBuilder("all"))
    )
    assert instance.execute(["desired_output1"]) == {"all": {"desired_output1": 2}}


def test_case_10_dict_result(importable):
    adapter = base.SimplePythonGraphAdapter(base.DictResult())
    dr = driver.Driver({"a": 1}, importable("seed_ten", SIMPLE), adapter=adapter)
    assert dr.execute(["desired_output1"]) == {"desired_output1": 2}


class CountingAdapter(HamiltonGraphAdapter):
    def __init__(self):
        self.ran = []

    @staticmethod
    def check_input_type(node_type, input_value):
        return isinstance(input_value, node_type)

    @staticmethod
    def check_node_type_equivalence(node_type, input_type):
        return node_type == input_type

    def execute_node(self, node, kwargs):
        self.ran.append((node.name, node.type, sorted(node.input_types), node.node_role.name))
        return node.callable(**kwargs)

    @staticmethod
    def build_result(**outputs):
        return outputs


def test_case_11_the_four_functions_drive_execution(importable):
    assert issubclass(HamiltonGraphAdapter, ResultMixin)
    adapter = CountingAdapter()
    dr = driver.Driver({}, importable("seed_eleven", SIMPLE), adapter=adapter)
    assert dr.execute(["desired_output2"], inputs={"a": 1}) == {"desired_output2": 4}
    assert [name for name, *_ in adapter.ran] == ["desired_output1", "desired_output2"]
    assert adapter.ran[0] == ("desired_output1", int, ["a"], "STANDARD")
    with pytest.raises(ValueError, match="Type requirement mismatch"):
        dr.execute(["desired_output2"], inputs={"a": "text"})


@pytest.mark.parametrize(
    ("module", "name"), [("h_dask", "DaskGraphAdapter"), ("h_ray", "RayGraphAdapter")]
)
def test_case_12_graph_adapters_of_the_experimental_package(module, name):
    sys.modules.pop(f"hamilton.experimental.{module}", None)
    with pytest.warns(DeprecationWarning, match="deprecated"):
        found = importlib.import_module(f"hamilton.experimental.{module}")
    assert callable(getattr(found, name).do_build_result)


def test_case_12_caching_adapter_of_the_experimental_package(importable, tmp_path):
    from hamilton.experimental.h_cache import CachingGraphAdapter

    with pytest.warns(DeprecationWarning, match="with_cache"):
        adapter = CachingGraphAdapter(str(tmp_path), base.DictResult())
    dr = driver.Driver({"a": 1}, importable("seed_twelve", SIMPLE), adapter=adapter)
    assert dr.execute(["desired_output1"]) == {"desired_output1": 2}


def test_case_13_successive_runs_are_independent(importable):
    adapter = base.DefaultAdapter()
    dr = driver.Driver({}, importable("seed_thirteen", SIMPLE), adapter=adapter)
    found = [dr.execute(["desired_output1"], inputs={"a": n})["desired_output1"] for n in range(3)]
    assert found == [1, 2, 3]
    with pytest.raises(ValueError, match="Error: Required input a not provided"):
        dr.execute(["desired_output1"])


def test_case_14_display_all_functions(importable, tmp_path):
    dr = driver.Driver({}, importable("seed_fourteen", SIMPLE))
    assert dr.display_all_functions(str(tmp_path / "all.dot"), {}) is not None
    assert "desired_output2" in (tmp_path / "all.dot").read_text()
    assert len(list(tmp_path.glob("all.dot.*"))) == 1


def test_case_15_wrapper_class_delegates(importable):
    module = importable("seed_fifteen", SIMPLE)

    class MyCustomDriver:
        def __init__(self, constructor_arg):
            self.constructor_arg = constructor_arg
            self.outputs = ["desired_output1"]

        def my_execute_function(self, arg1):
            dr = driver.Driver(self.constructor_arg, module)
            df = dr.execute(self.outputs, inputs={"a": arg1})
            return self.augment(df)

        def augment(self, df):
            return df.assign(more=1)

    result = MyCustomDriver({}).my_execute_function(4)
    assert result.to_dict("records") == [{"desired_output1": 5, "more": 1}]


def test_case_16_everything_but_pictures_works_without_graphviz(importable, monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.setitem(sys.modules, "networkx", None)
    dr = driver.Driver({"a": 1}, importable("seed_sixteen", SIMPLE), adapter=base.DefaultAdapter())
    assert dr.execute(["desired_output2"]) == {"desired_output2": 4}
    assert not dr.has_cycles(["desired_output2"])


def test_case_17_signatures_of_the_driver_are_stable():
    expected = {
        "execute": ["final_vars", "overrides", "display_graph", "inputs"],
        "raw_execute": ["final_vars", "overrides", "display_graph", "inputs", "_fn_graph"],
        "materialize": ["materializers", "additional_vars", "overrides", "inputs"],
        "validate_execution": ["final_vars", "overrides", "inputs"],
        "validate_materialization": ["materializers", "additional_vars", "overrides", "inputs"],
        "list_available_variables": ["tag_filter"],
        "what_is_upstream_of": ["node_names"],
        "what_is_downstream_of": ["node_names"],
        "what_is_the_path_between": ["upstream_node_name", "downstream_node_name"],
        "has_cycles": ["final_vars"],
        "display_all_functions": ["output_file_path", "render_kwargs", "graphviz_kwargs"],
        "visualize_execution": [
            "final_vars",
            "output_file_path",
            "render_kwargs",
            "inputs",
            "graphviz_kwargs",
            "overrides",
            "bypass_validation",
        ],
        "display_upstream_of": ["node_names", "output_file_path", "render_kwargs"],
        "display_downstream_of": ["node_names", "output_file_path", "render_kwargs"],
        "visualize_path_between": [
            "upstream_node_name",
            "downstream_node_name",
            "output_file_path",
            "render_kwargs",
            "graphviz_kwargs",
            "strict_path_visualization",
        ],
    }
    found = {
        name: [
            n for n in inspect.signature(getattr(driver.Driver, name)).parameters if n != "display"
        ][1:]
        for name in expected
    }
    assert found == expected
    constructor = list(inspect.signature(driver.Driver).parameters)
    assert constructor[:4] == ["config", "modules", "adapter", "allow_module_overrides"]
