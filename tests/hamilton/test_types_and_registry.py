import hashlib
import os
import subprocess
import sys
import typing
from typing import Any, Literal

import pandas as pd
import pytest

from hamilton import graph_types, htypes, log_setup, registry, telemetry


@pytest.mark.parametrize(
    ("requested", "parameter", "answer"),
    [
        (int, int, True),
        (bool, int, True),
        (int, float, False),
        (Any, int, False),
        (int, Any, True),
        (list[int], list, True),
        (list[int], list[str], False),
        (list, list, True),
        (int, int | str, True),
        (tuple[str, str], tuple[str], False),
        (htypes.Parallelizable[int], int, True),
        (int, htypes.Collect[int], True),
    ],
)
def test_custom_subclass_check(requested, parameter, answer):
    assert htypes.custom_subclass_check(requested, parameter) is answer


def test_types_match_takes_the_producer_second():
    assert htypes.types_match(int, bool)
    assert htypes.types_match(int, Any)
    assert not htypes.types_match(bool, int)
    t = typing.TypeVar("t")
    assert htypes.types_match(t, t)
    assert not htypes.types_match(t, int)


@pytest.mark.parametrize(
    ("type_", "value", "answer"),
    [
        (float, 1, False),
        (int, None, True),
        (list[int], ["x"], False),
        (list[int], [1, "x"], True),
        (Literal["a"], "a", True),
        (typing.Callable, len, False),
        (dict[str, int], {"a": "x"}, True),
        (int | None, 5, True),
    ],
)
def test_check_input_type_is_narrow(type_, value, answer):
    assert htypes.check_input_type(type_, value) is answer


@pytest.mark.parametrize(
    ("value", "type_", "answer"),
    [
        ([1, 2], list[int], True),
        ([1, "x"], list[int], False),
        ({"a": [1]}, dict[str, list[int]], True),
        ({"a": ["x"]}, dict[str, list[int]], False),
        ((1, "x"), tuple[int, str], True),
        ((1, 2, "x"), tuple[int, ...], False),
        ({1, 2}, set[int], True),
        ("a", Literal["a", "b"], True),
        (None, int | None, True),
        (object(), Any, True),
    ],
)
def test_check_instance_is_deep(value, type_, answer):
    assert htypes.check_instance(value, type_) is answer


def test_type_text_and_annotations():
    assert htypes.get_type_as_string(int) == "int"
    assert htypes.get_type_as_string(typing.Annotated[int, "x"]) == "int"
    assert htypes.get_type_information(htypes.column[pd.Series, int]) == (pd.Series, [int])
    assert htypes.get_type_information(int) == (int, [])
    assert htypes.is_parallelizable_type(htypes.Parallelizable[int])
    assert not htypes.is_parallelizable_type(list[int])


def test_column_annotations_are_validated():
    htypes.validate_type_annotation(htypes.column[pd.Series, int])
    htypes.validate_type_annotation(int)
    for wrong in (
        htypes.column[pd.DataFrame, int],
        htypes.column[pd.Series, int, float],
        htypes.column[pd.Series, dict],
    ):
        with pytest.raises(htypes.InvalidTypeException):
            htypes.validate_type_annotation(wrong)


def test_registered_types():
    assert registry.get_registered_dataframe_types()["pandas"] is pd.DataFrame
    assert registry.get_registered_column_types()["pandas"] is pd.Series
    assert registry.get_column_type_from_df_type(pd.DataFrame) is pd.Series
    with pytest.raises(NotImplementedError, match="not a registered dataframe type"):
        registry.get_column_type_from_df_type(int)
    with pytest.raises(NotImplementedError):
        registry.get_column(5, "a")
    with pytest.raises(NotImplementedError):
        registry.fill_with_scalar(5, "a", 1)
    with pytest.raises(ModuleNotFoundError):
        registry.load_extension("nowhere")


def fresh(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "src", **environment},
    ).stdout.strip()


def test_import_loads_the_standard_library_only():
    code = (
        "import sys, hamilton.driver;"
        "names = {n.split('.')[0] for n in sys.modules};"
        "print(sorted(names - set(sys.stdlib_module_names) - {'hamilton', '__main__'}), "
        "len(sys.modules))"
    )
    outside, _, count = fresh(code).rpartition(" ")
    allowed = {"_virtualenv", "_distutils_hack", "sitecustomize", "usercustomize"}
    assert set(eval(outside)) <= allowed | {n for n in eval(outside) if n.startswith("__edit")}
    assert int(count) < 180


@pytest.mark.slow
def test_extensions_load_when_their_library_is_imported():
    code = (
        "import sys; from hamilton import registry;"
        "print(sorted(registry.get_registered_dataframe_types()), 'pandas' in sys.modules);"
        "import pandas; print(sorted(registry.get_registered_dataframe_types()))"
    )
    first, second = fresh(code).splitlines()
    assert first == "[] False"
    assert "'pandas'" in second


@pytest.mark.slow
def test_autoload_can_be_switched_off():
    code = (
        "import pandas; from hamilton import registry;"
        "print(sorted(registry.get_registered_dataframe_types()));"
        "registry.load_extension('pandas');"
        "print(sorted(registry.get_registered_dataframe_types()))"
    )
    off, loaded = fresh(code, HAMILTON_AUTOLOAD_EXTENSIONS="0").splitlines()
    assert off == "[]"
    assert loaded == "['pandas']"


@pytest.mark.slow
def test_autoload_setting_is_kept_in_the_home_folder(tmp_path):
    code = "from hamilton import registry; registry.config_disable_autoload()"
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    fresh(code, **home)
    ask = "import pandas; from hamilton import registry; print(registry.dataframe_types())"
    assert fresh(ask, **home) == "()"
    fresh(code.replace("disable", "enable"), **home)
    assert "DataFrame" in fresh(ask, **home)


TEXT = '''
def f(x: int, y: str = "q") -> int:
    """Doc."""
    return x  # comment
'''


def test_node_view_as_dict(build):
    dr = build(TEXT)
    (node,) = [v for v in dr.list_available_variables() if v.name == "f"]
    found = node.as_dict(include_optional_dependencies_default_values=True)
    assert found["name"] == "f"
    assert found["output_type"] == "int"
    assert found["required_dependencies"] == ["x"]
    assert found["optional_dependencies"] == ["y"]
    assert found["optional_dependencies_default_values"] == {"y": "q"}
    assert found["documentation"] == "Doc."
    assert found["source"].startswith("def f(")
    assert found["version"] == node.version
    assert repr(node) == 'Node("f": int)'


def test_version_ignores_layout_comments_and_docstrings_only(build):
    def version(text):
        return {v.name: v.version for v in build(text).list_available_variables()}["f"]

    same = 'def f(x: int,\n      y: str = "q") -> int:\n\n    return x\n'
    assert version(TEXT) == version(same)
    assert version(TEXT) != version(same.replace("return x", "return x + 1"))


def test_nested_functions_have_the_version_of_plain_ones():
    def f(x: int) -> int:
        return x

    text = "def f(x: int) -> int:\n    return x\n"
    assert graph_types.hash_source_code(f, strip=True) == graph_types.hash_source_code(
        text, strip=True
    )
    assert graph_types.hash_source_code("a") == hashlib.sha256(b"a").hexdigest()


def test_version_without_source_is_none_with_a_warning(caplog):
    scope: dict[str, Any] = {}
    exec("def f() -> int:\n    return 1\n", scope)
    node = graph_types.HamiltonNode("f", int, originating_functions=(scope["f"],))
    assert node.version is None
    assert "no code version" in caplog.text


def test_graph_view(build):
    dr = build(TEXT)
    graph = graph_types.HamiltonGraph.from_graph(dr.graph)
    assert graph["f"].name == "f"
    assert "f" in graph
    assert [n.name for n in graph.filter_nodes(lambda n: n.is_external_input)] == ["x", "y"]
    other = graph_types.HamiltonGraph(list(reversed(graph.nodes)))
    assert graph.version == other.version


def test_there_is_no_telemetry(monkeypatch):
    monkeypatch.setenv("HAMILTON_TELEMETRY_ENABLED", "true")
    telemetry.disable_telemetry()
    assert telemetry.is_telemetry_enabled() is False


def test_logging_set_up_knows_its_levels():
    with pytest.raises(ValueError, match="Unknown log level"):
        log_setup.setup_logging("LOUD")
    assert set(log_setup.LOG_LEVELS) == {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"}


def test_package_version_is_a_tuple():
    import hamilton
    from hamilton.version import VERSION

    assert hamilton.__version__ == VERSION
    assert all(isinstance(part, int) for part in VERSION)
