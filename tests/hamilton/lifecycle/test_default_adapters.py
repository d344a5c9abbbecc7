import pytest

from hamilton import driver
from hamilton.lifecycle import (
    CacheAdapter,
    FunctionInputOutputTypeChecker,
    GracefulErrorAdapter,
    MutationDetector,
    PDBDebugger,
    PrintLn,
    RetryAdapter,
    SlowDownYouMoveTooFast,
    TimeoutAdapter,
    accept_error_sentinels,
)

AB = """
def a(x: int) -> int:
    return x + 1

def b(a: int) -> int:
    return a * 2
"""


def test_println_tells_start_end_and_values(build):
    lines = []
    dr = build(AB, adapters=[PrintLn(verbosity=2, print_fn=lines.append, node_filter=["b"])])
    dr.execute(["b"], inputs={"x": 1})
    assert lines[0].startswith("Executing node: b.")
    assert "a=2" in lines[0]
    assert lines[1].startswith("Finished debugging node: b in ")
    assert "Status: Success." in lines[1]
    assert "Result: 4" in lines[1]
    with pytest.raises(ValueError, match="Verbosity"):
        PrintLn(verbosity=3)


@pytest.mark.parametrize(
    "node_filter", [None, "a", ["a"], lambda name, tags: name == "a" and "module" in tags]
)
def test_node_filters(build, node_filter):
    lines = []
    build(AB, adapters=[PrintLn(print_fn=lines.append, node_filter=node_filter)]).execute(
        ["a"], inputs={"x": 1}
    )
    assert len(lines) == 2


def test_debugger_stops_around_and_in_chosen_nodes(build, monkeypatch):
    stops = []
    monkeypatch.setattr("pdb.set_trace", lambda: stops.append("trace"))
    monkeypatch.setattr("pdb.runcall", lambda f, **kw: (stops.append("call"), f(**kw))[1])
    debugger = PDBDebugger("b", before=True, during=True, after=True)
    assert build(AB, adapters=[debugger]).execute(["b"], inputs={"x": 1}) == {"b": 4}
    assert stops == ["trace", "call", "trace"]
    assert PDBDebugger.CONTEXT["node_name"] == "b"


def test_strict_checker_looks_into_containers(build):
    def lying() -> list[int]:
        return [1, "x"]

    def taking(xs: list[int]) -> int:
        return 1

    checker = FunctionInputOutputTypeChecker()
    with pytest.raises(TypeError, match="Node lying returned a result of type"):
        build(lying, adapters=[checker]).execute(["lying"])
    with pytest.raises(TypeError, match=r"Node taking received an input of type .* for xs"):
        build(taking, adapters=[checker]).execute(["taking"], inputs={"xs": [1, "x"]})
    relaxed = FunctionInputOutputTypeChecker(check_input=False, check_output=False)
    assert build(lying, adapters=[relaxed]).execute(["lying"]) == {"lying": [1, "x"]}


def test_graceful_errors_yield_sentinels_downstream(build):
    def fine() -> int:
        return 1

    def broken() -> int:
        raise ValueError("no")

    def below(broken: int, fine: int) -> int:
        return broken + fine

    @accept_error_sentinels
    def watching(broken: int, fine: int) -> str:
        return f"{broken} {fine}"

    adapter = GracefulErrorAdapter(ValueError, sentinel_value=None)
    result = build(fine, broken, below, watching, adapters=[adapter]).execute(
        ["fine", "broken", "below", "watching"]
    )
    assert result == {"fine": 1, "broken": None, "below": None, "watching": "None 1"}
    other = GracefulErrorAdapter(KeyError)
    with pytest.raises(ValueError, match="no"):
        build(broken, adapters=[other]).execute(["broken"])


FAILING_ITEMS = """
from hamilton.htypes import Collect, Parallelizable

def it() -> Parallelizable[int]:
    yield 1
    yield 2
    raise ValueError("third")

def w(it: int) -> int:
    return it * 10

def c(w: Collect[int]) -> list:
    return list(w)
"""


@pytest.mark.parametrize(("try_all", "expected"), [(True, [10, 20, None]), (False, [None])])
def test_graceful_errors_in_expanding_nodes(source_module, try_all, expected):
    text = FAILING_ITEMS.replace("def c(", "@accept_error_sentinels\ndef c(").replace(
        "from hamilton", "from hamilton.lifecycle import accept_error_sentinels\nfrom hamilton", 1
    )
    dr = (
        driver.Builder()
        .with_modules(source_module(text))
        .enable_dynamic_execution()
        .with_adapters(GracefulErrorAdapter(ValueError, try_all_parallel=try_all))
        .build()
    )
    assert dr.execute(["c"]) == {"c": expected}


def test_retry_and_graceful_errors_compose(build):
    attempts = []

    def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("not yet")
        return len(attempts)

    def hopeless() -> int:
        raise OSError("never")

    dr = build(
        flaky, hopeless, adapters=[GracefulErrorAdapter(OSError, "failed"), RetryAdapter(retries=2)]
    )
    assert dr.execute(["flaky", "hopeless"]) == {"flaky": 3, "hopeless": "failed"}


def test_retry_by_tag(build):
    from hamilton.function_modifiers import tag

    attempts = []

    @tag(retry="1")
    def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 2:
            raise OSError("not yet")
        return 1

    dr = build(flaky, adapters=[RetryAdapter(retries=0)])
    assert dr.execute(["flaky"]) == {"flaky": 1}


def test_timeout_gives_up_and_lets_fast_nodes_pass(build):
    import threading

    release = threading.Event()

    def slow() -> int:
        release.wait(5)
        return 1

    def fast() -> int:
        return 2

    dr = build(slow, fast, adapters=[TimeoutAdapter(0.05, node_filter="slow")])
    assert dr.execute(["fast"]) == {"fast": 2}
    with pytest.raises(TimeoutError, match="Node 'slow' took longer"):
        dr.execute(["slow"])
    release.set()


def test_mutation_of_a_shared_value_is_detected(build):
    def a() -> list:
        return [1]

    def b(a: list) -> int:
        a.append(2)
        return len(a)

    with pytest.raises(ValueError, match=r"changed its arguments \['a'\]"):
        build(a, b, adapters=[MutationDetector()]).execute(["b"])


def test_old_shelf_cache_keeps_results(build, tmp_path):
    ran = []

    def a(x: int) -> int:
        ran.append(x)
        return x + 1

    with pytest.warns(DeprecationWarning, match="with_cache"):
        adapter = CacheAdapter(cache_path=str(tmp_path / "shelf"))
    dr = build(a, adapters=[adapter])
    for _ in range(2):
        assert dr.execute(["a"], inputs={"x": 1}) == {"a": 2}
    assert ran == [1]


def test_slow_down_sleeps_before_nodes(build, monkeypatch):
    naps = []
    monkeypatch.setattr("time.sleep", naps.append)
    build(AB, adapters=[SlowDownYouMoveTooFast(1.0, 0.0)]).execute(["b"], inputs={"x": 1})
    assert naps == [1.0, 1.0]
