import pytest

from hamilton import base, driver
from hamilton.execution.executors import DefaultExecutionManager, SynchronousLocalTaskExecutor
from hamilton.execution.grouping import GroupNodesAllAsOne


@pytest.fixture
def module(source_module):
    return source_module("def f(x: int) -> int:\n    return x\n")


def test_default_result_is_a_dictionary_and_config_merges(module):
    builder = driver.Builder().with_config({"x": 1}).with_config({"x": 2}).with_modules(module)
    assert builder.build().execute(["f", "x"]) == {"f": 2, "x": 2}


def test_adapter_is_set_once(module):
    builder = driver.Builder().with_modules(module).with_adapter(base.DefaultAdapter())
    with pytest.raises(ValueError, match="Cannot set adapter twice"):
        builder.with_adapter(base.DefaultAdapter())


@pytest.mark.parametrize(
    "ask",
    [
        lambda b: b.with_execution_manager(DefaultExecutionManager()),
        lambda b: b.with_remote_executor(SynchronousLocalTaskExecutor()),
        lambda b: b.with_local_executor(SynchronousLocalTaskExecutor()),
        lambda b: b.with_grouping_strategy(GroupNodesAllAsOne()),
    ],
)
def test_executors_need_dynamic_execution_and_are_set_once(ask):
    with pytest.raises(ValueError, match="enabling dynamic execution"):
        ask(driver.Builder())
    builder = ask(driver.Builder().enable_dynamic_execution(allow_experimental_mode=True))
    with pytest.raises(ValueError, match="twice"):
        ask(builder)


def test_manager_and_executors_exclude_each_other():
    executor = SynchronousLocalTaskExecutor()
    with pytest.raises(ValueError, match="together with executors"):
        driver.Builder().enable_dynamic_execution().with_remote_executor(
            executor
        ).with_execution_manager(DefaultExecutionManager())
    with pytest.raises(ValueError, match="execution manager"):
        driver.Builder().enable_dynamic_execution().with_execution_manager(
            DefaultExecutionManager()
        ).with_remote_executor(executor)
    with pytest.raises(ValueError, match="allow_experimental_mode"):
        driver.Builder().enable_dynamic_execution(allow_experimental_mode=False)


def test_copy_is_apart_and_keeps_module_overrides(source_module, module):
    builder = driver.Builder().with_modules(module).allow_module_overrides()
    other = builder.copy().with_modules(source_module("def f() -> int:\n    return 9\n"))
    assert builder.build().execute(["f"], inputs={"x": 1}) == {"f": 1}
    assert other.build().execute(["f"]) == {"f": 9}


def test_materializers_must_be_unpacked():
    with pytest.raises(ValueError, match="unpack"):
        driver.Builder().with_materializers([])
    with pytest.raises(ValueError, match="received"):
        driver.Builder().with_materializers(5)


def test_config_in_place_of_a_module_is_explained(module):
    with pytest.raises(ValueError, match="config must be a dictionary"):
        driver.Driver(module, {})
    with pytest.raises(ValueError, match="not a module"):
        driver.Driver({}, "my_functions")
