"""Logging, tracing and notifying: what an operator sees of a run."""

import asyncio
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hamilton import ad_hoc_utils, async_driver, driver
from hamilton.plugins.h_logging import AsyncLoggingAdapter, LoggingAdapter, get_logger

TALKING = """
from hamilton.htypes import Collect, Parallelizable
from hamilton.plugins.h_logging import get_logger

logger = get_logger("lab")

def one(x: int) -> int:
    logger.info("adding to %d", x, extra={"mine": 1})
    return x + 1

def broken(one: int) -> int:
    raise ValueError("cannot go on")

def item(x: int) -> Parallelizable[int]:
    yield from range(x)

def square(item: int) -> int:
    logger.warning("squaring")
    return item**2

def total(square: Collect[int]) -> int:
    return sum(square)
"""


def built(module, *adapters):
    return driver.Builder().with_modules(module).with_adapters(*adapters).build()


@pytest.fixture
def talking():
    return ad_hoc_utils.module_from_source(TALKING)


@pytest.fixture
def messages(caplog):
    caplog.set_level(logging.DEBUG, logger="lab")

    def found():
        return [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "lab"]

    return found


def test_messages_of_functions_say_where_they_arose(talking, messages, caplog):
    built(talking, LoggingAdapter("lab")).execute(["one"], inputs={"x": 4})
    run = caplog.records[0].hamilton_run_id
    assert messages() == [
        ("INFO", f"[{run[:8]}] Run started for one"),
        ("DEBUG", f"[{run[:8]}] [one] Node started"),
        ("INFO", f"[{run[:8]}] [one] adding to 4"),
        ("INFO", f"[{run[:8]}] [one] Node finished"),
        ("INFO", f"[{run[:8]}] Run finished"),
    ]
    said = caplog.records[2]
    assert (said.hamilton_node, said.hamilton_task_id, said.mine) == ("one", None, 1)
    get_logger("lab").info("outside")
    assert messages()[-1] == ("INFO", "outside")


def test_failures_are_logged_with_their_traceback(talking, messages, caplog):
    with pytest.raises(ValueError, match="cannot go on"):
        built(talking, LoggingAdapter(logging.getLogger("lab"))).execute(
            ["broken"], inputs={"x": 4}
        )
    failed = [r for r in caplog.records if "Node failed" in r.getMessage()]
    assert [r.hamilton_node for r in failed] == ["broken"]
    assert "ValueError: cannot go on" in failed[0].exc_text
    assert messages()[-1][1].endswith("Run failed: cannot go on")
    get_logger("lab").info("outside")
    assert messages()[-1] == ("INFO", "outside")


def test_tasks_in_threads_say_which_they_are(talking, messages, caplog):
    from hamilton.execution.executors import MultiThreadingExecutor

    dr = (
        driver.Builder()
        .with_modules(talking)
        .with_adapters(LoggingAdapter("lab"))
        .enable_dynamic_execution()
        .with_remote_executor(MultiThreadingExecutor(2))
        .build()
    )
    assert dr.execute(["total"], inputs={"x": 3}) == {"total": 5}
    said = [r for r in caplog.records if r.getMessage().endswith("squaring")]
    assert len({r.hamilton_task_id for r in said}) == 3
    assert all(f"[{r.hamilton_task_id}] [square] squaring" in r.getMessage() for r in said)
    assert len({r.hamilton_run_id for r in said}) == 1
    texts = [text for _, text in messages()]
    assert any("spawns 3 tasks" in text for text in texts)
    assert any("submitted" in text for text in texts)


def test_nodes_that_overlap_in_an_event_loop_keep_their_places(caplog):
    caplog.set_level(logging.INFO, logger="lab")
    logger = get_logger("lab")
    both = asyncio.Event()

    async def first() -> int:
        await both.wait()
        logger.info("from first")
        return 1

    async def second() -> int:
        both.set()
        await asyncio.sleep(0)
        logger.info("from second")
        return 2

    async def run():
        module = ad_hoc_utils.create_temporary_module(first, second)
        builder = async_driver.Builder().with_modules(module)
        dr = await builder.with_adapters(AsyncLoggingAdapter("lab")).build()
        return await dr.execute(["first", "second"])

    assert asyncio.run(run()) == {"first": 1, "second": 2}
    places = {r.getMessage(): r.hamilton_node for r in caplog.records if "from" in r.getMessage()}
    assert all(text.endswith(f"[{node}] from {node}") for text, node in places.items())
    assert len(places) == 2


def test_a_run_within_a_node_gives_the_place_back(messages):
    inner = ad_hoc_utils.module_from_source("def deep() -> int:\n    return 1\n")
    adapter = LoggingAdapter("lab")

    def outer() -> int:
        found = built(inner, adapter).execute(["deep"])["deep"]
        get_logger("lab").info("after")
        return found

    built(ad_hoc_utils.create_temporary_module(outer), adapter).execute(["outer"])
    (said,) = [text for _, text in messages() if text.endswith("after")]
    assert said.endswith("[outer] after")


@pytest.fixture
def spans():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("lab"), lambda: {s.name: s for s in exporter.get_finished_spans()}
    provider.shutdown()


def test_a_run_is_a_trace_with_a_span_for_each_node(module, spans):
    from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer

    tracer, found = spans
    with tracer.start_as_current_span("request"):
        built(module, OpenTelemetryTracer(tracer=tracer)).execute(["both"], inputs={"x": 1})
    named = found()
    assert set(named) == {"request", "hamilton.run", "one", "two", "both"}
    run = named["hamilton.run"]
    assert run.parent.span_id == named["request"].context.span_id
    for name in ("one", "two", "both"):
        assert named[name].parent.span_id == run.context.span_id
        assert named[name].status.status_code.name == "OK"
        assert named[name].attributes["hamilton.run_id"] == run.attributes["hamilton.run_id"]
    assert run.attributes["hamilton.outputs"] == ("both",)
    assert run.start_time <= named["one"].start_time <= named["both"].end_time <= run.end_time


def test_spans_of_functions_lie_within_their_node(spans):
    from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer

    tracer, found = spans

    def work() -> int:
        with tracer.start_as_current_span("inside"):
            return 1

    module = ad_hoc_utils.create_temporary_module(work)
    built(module, OpenTelemetryTracer(tracer=tracer)).execute(["work"])
    assert found()["inside"].parent.span_id == found()["work"].context.span_id


def test_a_failure_is_in_the_spans_of_node_and_run(module, spans):
    from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer

    tracer, found = spans
    with pytest.raises(ValueError, match="cannot go on"):
        built(module, OpenTelemetryTracer(tracer=tracer)).execute(["broken"], inputs={"x": 1})
    for name in ("broken", "hamilton.run"):
        span = found()[name]
        assert span.status.status_code.name == "ERROR"
        assert span.events[0].attributes["exception.message"] == "cannot go on"


def test_nodes_in_threads_belong_to_the_trace(module, spans):
    from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer
    from hamilton.plugins.h_threadpool import FutureAdapter

    tracer, found = spans
    dr = built(module, OpenTelemetryTracer(tracer=tracer), FutureAdapter())
    assert dr.execute(["both"], inputs={"x": 1}) == {"both": 4}
    run = found()["hamilton.run"].context.span_id
    assert {found()[name].parent.span_id for name in ("one", "two", "both")} == {run}


def test_overlapping_asynchronous_runs_are_traces_of_their_own(spans):
    from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer

    tracer, found = spans

    async def slow(x: int) -> int:
        await asyncio.sleep(0)
        with tracer.start_as_current_span(f"inside {x}"):
            return x

    async def run():
        module = ad_hoc_utils.create_temporary_module(slow)
        builder = async_driver.Builder().with_modules(module)
        dr = await builder.with_adapters(OpenTelemetryTracer(tracer=tracer)).build()
        await asyncio.gather(*(dr.execute(["slow"], inputs={"x": x}) for x in range(2)))

    asyncio.run(run())
    traces = {found()[f"inside {x}"].context.trace_id for x in range(2)}
    assert len(traces) == 2


def test_a_tracer_that_travels_keeps_the_trace_of_the_run(module, spans):
    import pickle

    from hamilton.plugins.h_opentelemetry import OpenTelemetryTracer

    tracer, _ = spans
    with pytest.raises(ValueError, match="not both"):
        OpenTelemetryTracer("a", tracer)
    adapter = OpenTelemetryTracer(tracer=tracer)
    dr = built(module, adapter)
    adapter.pre_graph_execute(run_id="r", graph=dr.graph, final_vars=[], inputs={}, overrides={})
    copy = pickle.loads(pickle.dumps(adapter))
    expected = adapter._runs["r"].span.get_span_context()
    assert copy._parent("r").get_span_context() == expected
    adapter.post_graph_execute(run_id="r", graph=dr.graph, success=True, error=None, results=None)


@pytest.fixture
def slack():
    """A server that takes messages as Slack does; `refuse` has it answer with an error."""
    pytest.importorskip("slack_sdk")
    received, answer = [], {"ok": True}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Authorization"], json.loads(body)))
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api/", received, answer
        server.shutdown()
        thread.join()


def test_slack_is_told_of_failures_only(module, slack):
    from hamilton.plugins.h_slack import SlackNotifier

    url, received, _ = slack
    dr = built(module, SlackNotifier("xoxb-1", "#lab", base_url=url))
    dr.execute(["both"], inputs={"x": 1})
    assert received == []
    with pytest.raises(ValueError, match="cannot go on"):
        dr.execute(["broken"], inputs={"x": 41})
    ((path, authorization, message),) = received
    assert (path, authorization) == ("/api/chat.postMessage", "Bearer xoxb-1")
    assert message["channel"] == "#lab"
    assert "Node `broken` failed" in message["text"]
    assert "ValueError: cannot go on" in message["text"]


def test_slack_sees_no_mentions_in_an_error(slack):
    from hamilton.plugins.h_slack import SlackNotifier

    def loud() -> int:
        raise ValueError("<!channel> & ```")

    url, received, _ = slack
    module = ad_hoc_utils.create_temporary_module(loud)
    with pytest.raises(ValueError, match="channel"):
        built(module, SlackNotifier("x", "#lab", base_url=url)).execute(["loud"])
    text = received[0][2]["text"]
    assert "&lt;!channel&gt; &amp;" in text
    assert "<!channel>" not in text
    assert text.count("```") == 2


def test_a_deaf_slack_does_not_hide_the_failure(module, slack, caplog):
    from hamilton.plugins.h_slack import SlackNotifier

    url, _, answer = slack
    answer.update(ok=False, error="channel_not_found")
    with pytest.raises(ValueError, match="cannot go on"):
        built(module, SlackNotifier("x", "#lab", base_url=url)).execute(["broken"], inputs={"x": 1})
    with pytest.raises(ValueError, match="cannot go on"):
        built(module, SlackNotifier("x", "#lab", base_url="http://127.0.0.1:9/")).execute(
            ["broken"], inputs={"x": 1}
        )
    told = [r.getMessage() for r in caplog.records if r.name == "hamilton.plugins.h_slack"]
    assert len(told) == 2
    assert "channel_not_found" in told[0]


def counted(log):
    def number(x: int) -> int:
        log.append(x)
        return x + 1

    def other(number: int) -> int:
        return number * 2

    return ad_hoc_utils.create_temporary_module(number, other)


def test_the_cache_on_diskcache_goes_by_code_and_arguments(tmp_path):
    pytest.importorskip("diskcache")
    from hamilton.plugins.h_diskcache import DiskCacheAdapter, evict_all_except_driver

    log = []
    with pytest.warns(DeprecationWarning, match="with_cache"):
        adapter = DiskCacheAdapter(["number"], tmp_path)
    dr = built(counted(log), adapter)
    for x in (1, 1, 2):
        assert dr.execute(["other"], inputs={"x": x}) == {"other": 2 * (x + 1)}
    assert log == [1, 2]
    assert evict_all_except_driver(dr) == {"evicted": 0, "kept": 2}

    def number(x: int) -> int:
        return x - 1

    changed = built(ad_hoc_utils.create_temporary_module(number), adapter)
    assert changed.execute(["number"], inputs={"x": 1}) == {"number": 0}
    assert evict_all_except_driver(changed) == {"evicted": 2, "kept": 1}
    adapter.cache.close()
    with pytest.raises(ValueError, match="no DiskCacheAdapter"):
        evict_all_except_driver(built(counted(log)))


def test_the_cache_on_diskcache_leaves_what_it_cannot_keep(tmp_path):
    pytest.importorskip("diskcache")
    from hamilton.plugins.h_diskcache import DiskCacheAdapter

    with pytest.warns(DeprecationWarning, match="with_cache"):
        adapter = DiskCacheAdapter(cache_path=tmp_path)
    seen = []

    def line(file: object) -> int:
        seen.append(1)
        return len(seen)

    dr = built(ad_hoc_utils.create_temporary_module(line), adapter)
    with (tmp_path / "open").open("w") as file:
        results = [dr.execute(["line"], inputs={"file": file}) for _ in range(2)]
    assert results == [{"line": 1}, {"line": 2}]
    adapter.cache.close()
