"""Every extension point: what it receives, in which order, and what errors do to it."""

import pytest

from hamilton import driver
from hamilton.lifecycle import (
    EdgeConnectionHook,
    GraphConstructionHook,
    GraphExecutionHook,
    NodeExecutionHook,
    NodeExecutionMethod,
    ResultBuilder,
    TaskExecutionHook,
    TaskGroupingHook,
    TaskReturnHook,
    TaskSubmissionHook,
)
from hamilton.lifecycle import base as points

AB = """
def a(x: int) -> int:
    return x + 1

def b(a: int) -> int:
    return a * 2
"""


class Everything(
    points.BasePreDoAnythingHook,
    points.BaseDoCheckEdgeTypesMatch,
    points.BaseDoValidateInput,
    points.BaseValidateNode,
    points.BaseValidateGraph,
    points.BasePostGraphConstruct,
    points.BasePreGraphExecute,
    points.BasePreNodeExecute,
    points.BaseDoNodeExecute,
    points.BasePostNodeExecute,
    points.BaseDoBuildResult,
    points.BasePostGraphExecute,
):
    def __init__(self):
        self.seen = []

    def pre_do_anything(self):
        self.seen.append("pre_do_anything")

    def do_check_edge_types_match(self, *, type_from, type_to):
        self.seen.append("edge")
        return False

    def do_validate_input(self, *, node_type, input_value):
        self.seen.append("do_validate_input")
        return True

    def validate_node(self, *, created_node):
        self.seen.append(f"validate_node({created_node.name})")
        return True, None

    def validate_graph(self, *, graph, modules, config):
        self.seen.append("validate_graph")
        return True, None

    def post_graph_construct(self, *, graph, modules, config):
        self.seen.append("post_graph_construct")

    def pre_graph_execute(self, *, run_id, graph, final_vars, inputs, overrides):
        self.seen.append(f"pre_graph_execute({final_vars})")

    def pre_node_execute(self, *, run_id, node_, kwargs, task_id=None):
        self.seen.append(f"pre({node_.name}, {kwargs})")

    def do_node_execute(self, *, run_id, node_, kwargs, task_id=None):
        self.seen.append(f"do({node_.name})")
        return node_.callable(**kwargs)

    def post_node_execute(self, *, run_id, node_, kwargs, success, error, result, task_id=None):
        self.seen.append(f"post({node_.name}, {success}, {result})")

    def do_build_result(self, *, outputs):
        self.seen.append("do_build_result")
        return ("built", outputs)

    def post_graph_execute(self, *, run_id, graph, success, error, results):
        self.seen.append(f"post_graph_execute({success}, {results})")


def test_order_of_a_plain_run(build):
    adapter = Everything()
    dr = build(AB, adapters=[adapter])
    assert adapter.seen[0] == "pre_do_anything"
    assert adapter.seen[-2:] == ["validate_graph", "post_graph_construct"]
    adapter.seen.clear()
    assert dr.execute(["b"], inputs={"x": 1}) == ("built", {"b": 4})
    assert adapter.seen == [
        "pre_graph_execute(['b'])",
        "do_validate_input",
        "pre(a, {'x': 1})",
        "do(a)",
        "post(a, True, 2)",
        "pre(b, {'a': 2})",
        "do(b)",
        "post(b, True, 4)",
        "do_build_result",
        "post_graph_execute(True, ('built', {'b': 4}))",
    ]


class Recorder(NodeExecutionHook, GraphExecutionHook, GraphConstructionHook):
    def __init__(self):
        self.events = []

    def run_before_node_execution(self, **kwargs):
        self.events.append(("before", kwargs["node_name"], kwargs))

    def run_after_node_execution(self, **kwargs):
        self.events.append(("after", kwargs["node_name"], kwargs))

    def run_before_graph_execution(self, **kwargs):
        self.events.append(("start", None, kwargs))

    def run_after_graph_execution(self, **kwargs):
        self.events.append(("end", None, kwargs))

    def run_after_graph_construction(self, **kwargs):
        self.events.append(("built", None, kwargs))


def test_user_facing_hooks_receive_plain_arguments(build):
    recorder = Recorder()
    dr = build(AB, adapters=[recorder], config={"k": 1})
    dr.execute(["b"], inputs={"x": 1})
    kinds = [kind for kind, *_ in recorder.events]
    assert kinds == ["built", "start", "before", "after", "before", "after", "end"]
    built, start, before, after = (recorder.events[i][2] for i in range(4))
    assert built["config"] == {"k": 1}
    assert built["graph"]["b"].name == "b"
    assert start["execution_path"] == ["a", "b"]
    assert start["inputs"] == {"x": 1}
    assert before["node_kwargs"] == {"x": 1}
    assert before["node_input_types"] == {"x": int}
    assert before["node_return_type"] is int
    assert before["task_id"] is None
    assert after["result"] == 2
    assert after["success"]
    assert before["run_id"] == start["run_id"] == recorder.events[-1][2]["run_id"]


def test_failing_node_reports_to_its_hooks_and_the_graph_hook(build):
    def broken() -> int:
        raise KeyError("no")

    recorder = Recorder()
    with pytest.raises(KeyError):
        build(broken, adapters=[recorder]).execute(["broken"])
    after, end = recorder.events[-2][2], recorder.events[-1][2]
    assert (after["success"], after["result"]) == (False, None)
    assert isinstance(after["error"], KeyError)
    assert (end["success"], end["results"]) == (False, None)
    assert isinstance(end["error"], KeyError)


class Refusing(NodeExecutionHook):
    def run_before_node_execution(self, **kwargs):
        raise RuntimeError("stop")

    def run_after_node_execution(self, **kwargs):
        raise AssertionError("must not be called")


def test_failing_pre_hook_stops_the_node_without_post_hook(build):
    with pytest.raises(RuntimeError, match="stop"):
        build(AB, adapters=[Refusing()]).execute(["a"], inputs={"x": 1})


class FailingStart(GraphExecutionHook):
    def __init__(self):
        self.ended = 0

    def run_before_graph_execution(self, **kwargs):
        raise RuntimeError("start")

    def run_after_graph_execution(self, *, error, **kwargs):
        self.ended += 1
        assert isinstance(error, RuntimeError)


def test_every_started_run_ends_with_one_post_graph_execute(build):
    adapter = FailingStart()
    dr = build(AB, adapters=[adapter])
    with pytest.raises(RuntimeError, match="start"):
        dr.execute(["a"], inputs={"x": 1})
    from hamilton.io.materialization import to

    with pytest.raises(RuntimeError, match="start"):
        dr.materialize(to.memory(id="m", dependencies=["a"]), inputs={"x": 1})
    assert adapter.ended == 2


class Adding(NodeExecutionMethod):
    def __init__(self, amount, log):
        self.amount = amount
        self.log = log

    def run_to_execute_node(self, *, node_name, node_callable, node_kwargs, **kwargs):
        self.log.append((self.amount, node_name))
        return node_callable(**node_kwargs) * 10 + self.amount


def test_execution_methods_wrap_one_another_first_outermost(build):
    log = []
    dr = build(AB, adapters=[Adding(1, log), Adding(2, log)])
    assert dr.execute(["a"], inputs={"x": 0}) == {"a": 121}
    assert log == [(1, "a"), (2, "a")]


class Permissive(EdgeConnectionHook):
    def check_edge_types_match(self, type_from, type_to, **kwargs):
        return type_from is int and type_to is str

    def validate_input(self, node_type, input_value, **kwargs):
        return input_value == "magic"


def test_edge_hook_permits_and_replaces_the_input_check(build):
    def a(x: int) -> int:
        return 1

    def b(a: str) -> str:
        return a

    dr = build(a, b, adapters=[Permissive()])
    assert dr.execute(["b"], inputs={"x": "magic"}) == {"b": 1}
    with pytest.raises(ValueError, match="Type requirement mismatch"):
        dr.execute(["b"], inputs={"x": 5})


class Joined(ResultBuilder):
    def build_result(self, **outputs):
        return "-".join(map(str, outputs.values()))


def test_result_builder(build):
    assert build(AB, adapters=[Joined()]).execute(["a", "b"], inputs={"x": 1}) == "2-4"


class Tasks(TaskSubmissionHook, TaskReturnHook, TaskExecutionHook, TaskGroupingHook):
    def __init__(self):
        self.seen = []

    def run_before_task_submission(self, *, task_id, purpose, nodes, **kwargs):
        self.seen.append(("submit", task_id, purpose.name, [n.name for n in nodes]))

    def run_after_task_return(self, *, task_id, success, result, **kwargs):
        self.seen.append(("return", task_id, success, result))

    def run_before_task_execution(self, *, task_id, spawning_task_id, **kwargs):
        self.seen.append(("run", task_id, spawning_task_id))

    def run_after_task_execution(self, *, task_id, success, **kwargs):
        self.seen.append(("ran", task_id, success))

    def run_after_task_grouping(self, *, task_ids, **kwargs):
        self.seen.append(("groups", sorted(task_ids)))

    def run_after_task_expansion(self, *, task_id, parameters, **kwargs):
        self.seen.append(("items", task_id, parameters))


BLOCK = """
from hamilton.htypes import Collect, Parallelizable

def it(n: int) -> Parallelizable[int]:
    yield from range(n)

def w(it: int) -> int:
    return it * 2

def c(w: Collect[int]) -> int:
    return sum(w)
"""


def test_task_hooks_see_every_task(source_module):
    from hamilton.execution.executors import SynchronousLocalTaskExecutor

    hooks = Tasks()
    dr = (
        driver.Builder()
        .with_modules(source_module(BLOCK))
        .enable_dynamic_execution()
        .with_remote_executor(SynchronousLocalTaskExecutor())
        .with_adapters(hooks)
        .build()
    )
    assert dr.execute(["c"], inputs={"n": 2}) == {"c": 2}
    assert ("groups", ["block-it", "collect-c", "expand-it", "n"]) in hooks.seen
    submitted = {entry[1]: entry[2:] for entry in hooks.seen if entry[0] == "submit"}
    assert submitted["expand-it"] == ("EXPAND_UNORDERED", ["it"])
    assert submitted["expand-it.0.block-it"] == ("EXECUTE_BLOCK", ["w"])
    assert submitted["expand-it.1.block-it"] == ("EXECUTE_BLOCK", ["w"])
    assert submitted["collect-c"] == ("GATHER", ["c"])
    assert submitted["n"] == ("EXECUTE_SINGLE", ["n"])
    assert ("return", "expand-it.1.block-it", True, {"w": 2}) in hooks.seen
    assert ("run", "expand-it.0.block-it", "expand-it") in hooks.seen
    (items,) = [entry for entry in hooks.seen if entry[0] == "items"]
    assert items[2] == {"expand-it.0.block-it": 0, "expand-it.1.block-it": 1}


def test_declaring_a_point_needs_keyword_only_parameters():
    with pytest.raises(points.InvalidLifecycleAdapter, match="keyword-only"):

        @points.lifecycle.base_hook("on_something")
        class Positional:
            def on_something(self, value):
                pass

    with pytest.raises(points.InvalidLifecycleAdapter, match="must have a method"):

        @points.lifecycle.base_method("do_something")
        class Missing:
            pass

    with pytest.raises(points.InvalidLifecycleAdapter, match="must return None"):

        @points.lifecycle.base_hook("on_more")
        class Returning:
            def on_more(self, *, value) -> int:
                return 1


def test_what_is_no_adapter_is_refused(build):
    with pytest.raises(ValueError, match="is not an adapter"):
        build(AB, adapters=[object()])
