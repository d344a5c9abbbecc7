"""Tasks on a real Slurm of one node."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from hamilton import driver
from hamilton.execution.executors import SynchronousLocalTaskExecutor
from hamilton.lifecycle.api import GraphExecutionHook
from hamilton.plugins._slurm_commands import cancel, elements_of, end_of
from hamilton.plugins._slurm_worker import run_element
from hamilton.plugins.h_slurm import SlurmError, SlurmTaskExecutor

SOURCE = """
import os
import pathlib
import sys
import time

from hamilton.htypes import Collect, Parallelizable


def item(count: int) -> Parallelizable[int]:
    yield from range(count)


def square(item: int, offset: int = 0) -> int:
    return item**2 + offset


def place(item: int) -> str:
    return os.environ["SLURM_JOB_NAME"] + ":" + os.environ["SLURM_ARRAY_TASK_ID"]


def total(square: Collect[int]) -> int:
    return sum(square)


def places(place: Collect[str]) -> list:
    return place


def again(total: int) -> Parallelizable[int]:
    yield from (total, total + 1)


def halved(again: int) -> float:
    return again / 2


def halves(halved: Collect[float]) -> list:
    return halved


def refused(item: int) -> int:
    if item == 1:
        raise KeyError("no such thing", item)
    return item


def refusals(refused: Collect[int]) -> list:
    return refused


def ended(item: int) -> int:
    sys.exit(3)


def endings(ended: Collect[int]) -> list:
    return ended


def local_thing(item: int) -> object:
    class Local(Exception):
        def __init__(self, a, b):
            super().__init__(a)

    raise Local("only", "here")


def local_things(local_thing: Collect[object]) -> list:
    return local_thing


def waiting(item: int, signs: str) -> int:
    if item == 0:
        print("waiting for the end", flush=True)
        pathlib.Path(signs, "begun").touch()
        while True:
            time.sleep(0.05)
    return item


def waits(waiting: Collect[int]) -> list:
    return waiting


def killed(item: int) -> int:
    print("here it ends", flush=True)
    os.kill(os.getpid(), 9)


def kills(killed: Collect[int]) -> list:
    return killed
"""


@pytest.fixture
def module(importable):
    return importable("on_slurm", SOURCE)


@pytest.fixture
def executor(onebox_slurm, tmp_path):
    """Makes executors that look often, for tests to be short."""

    def make(**options):
        options = {"folder": tmp_path / "files", "poll_s": 0.2, "queue_poll_s": 0.5} | options
        return SlurmTaskExecutor(**options)

    return make


def built(module, executor, *adapters):
    builder = driver.Builder().with_modules(module).enable_dynamic_execution()
    return builder.with_remote_executor(executor).with_adapters(*adapters).build()


@pytest.mark.slow
class TestOnSlurm:
    def test_results_are_those_of_the_local_executor(self, module, executor, tmp_path):
        outputs = ["total", "halves", "square"]
        inputs = {"count": 6, "offset": 1}
        found = built(module, executor()).execute(outputs, inputs=inputs)
        local = built(module, SynchronousLocalTaskExecutor()).execute(outputs, inputs=inputs)
        assert found == local == {
            "total": 61,
            "halves": [30.5, 31.0],
            "square": [1, 2, 5, 10, 17, 26],
        }  # fmt: skip
        assert list((tmp_path / "files").iterdir()) == []

    def test_tasks_go_out_as_one_array_whose_elements_run_several(self, module, executor, tmp_path):
        dr = built(
            module,
            executor(
                name="trial",
                partition="main",
                time=5,
                memory="50M",
                max_running=2,
                tasks_per_element=3,
                setup=["export GREETING=hello"],
                directives={"comment": "with a blank", "requeue": True},
                keep_files=True,
            ),
        )
        found = dr.execute(["places"], inputs={"count": 7})["places"]
        assert found == [f"trial:{n // 3}" for n in range(7)]
        (run,) = (tmp_path / "files").iterdir()
        assert {p.name for p in run.iterdir()} >= {"1"}
        assert not (run / "2").exists()
        assert "export GREETING=hello" in (run / "1" / "job.sh").read_text()
        assert len(list((run / "1" / "logs").iterdir())) == 3
        assert len(list(run.glob("shared-*"))) == 1
        assert run.stat().st_mode & 0o077 == 0

    def test_an_element_that_runs_anew_goes_on_where_it_ended(self, module, executor, tmp_path):
        dr = built(module, executor(tasks_per_element=2, keep_files=True))
        dr.execute(["total"], inputs={"count": 2})
        (batch,) = (tmp_path / "files").glob("*/1")
        kept, gone = batch / "results" / "0.ok", batch / "results" / "1.ok"
        content, before = gone.read_bytes(), kept.stat()
        gone.unlink()
        run_element(batch, 0)
        assert gone.read_bytes() == content
        assert kept.stat() == before

    def test_jobs_that_slurm_forgot_have_no_elements(self, onebox_slurm):
        assert elements_of(["987654"]) == {"987654": {}}
        assert end_of("987654", 0) == {}
        cancel(["987654"])

    def test_a_slurm_that_does_not_answer_is_an_error(self, onebox_slurm, tmp_path, monkeypatch):
        (tmp_path / "broken.conf").write_text("NoSuchKey=1\n")
        monkeypatch.setenv("SLURM_CONF", str(tmp_path / "broken.conf"))
        with pytest.raises(SlurmError, match="squeue does not answer"):
            elements_of(["1"])
        with pytest.raises(SlurmError, match="could not end the jobs 1"):
            cancel(["1"])

    def test_functions_made_in_memory_travel_whole(self, source_module, executor):
        module = source_module(SOURCE)
        assert built(module, executor()).execute(["total"], inputs={"count": 3}) == {"total": 5}

    def test_a_failing_task_raises_here_and_tells_where(self, module, executor, tmp_path):
        with pytest.raises(KeyError, match="no such thing") as caught:
            built(module, executor()).execute(["refusals"], inputs={"count": 3})
        assert caught.value.args == ("no such thing", 1)
        assert "In node 'refused'" in caught.value.__notes__[0]
        assert isinstance(caught.value.__cause__, SlurmError)
        assert re.search(r"failed on \S+, Slurm job \d+_1:\nTraceback", str(caught.value.__cause__))
        assert list((tmp_path / "files").iterdir()), "logs of a failed run are kept"

    def test_exits_and_strange_exceptions_come_back_too(self, module, executor):
        with pytest.raises(SystemExit) as left:
            built(module, executor()).execute(["endings"], inputs={"count": 1})
        assert left.value.code == 3
        with pytest.raises(SlurmError, match=r"Local: only"):
            built(module, executor()).execute(["local_things"], inputs={"count": 1})

    def test_a_killed_task_fails_with_its_log(self, module, executor):
        with pytest.raises(SlurmError, match="here it ends") as caught:
            built(module, executor()).execute(["kills"], inputs={"count": 1})
        assert re.search(
            r"Slurm job \d+_0 ended as FAILED on \w+, exit code 0:9", str(caught.value)
        )
        assert caught.value.task == "expand-item.0.block-item"
        assert caught.value.log.read_text().endswith("here it ends\n")

    def test_a_cancelled_element_fails_with_its_state_and_place(self, module, executor, tmp_path):
        def cancel_when_begun():
            until(lambda: (tmp_path / "begun").exists())
            (job,) = jobs(folder=tmp_path)
            subprocess.run(["scancel", f"{job}_0"], check=True)

        helper = threading.Thread(target=cancel_when_begun)
        helper.start()
        inputs = {"count": 2, "signs": str(tmp_path)}
        with pytest.raises(SlurmError, match="Somebody cancelled it") as caught:
            built(module, executor()).execute(["waits"], inputs=inputs)
        helper.join()
        assert re.search(r"job \d+_0 ended as CANCELLED on \w+", str(caught.value))
        assert "waiting for the end" in str(caught.value)
        assert caught.value.job.endswith("_0")
        assert caught.value.nodes

    def test_files_that_vanish_end_the_run_and_its_jobs(self, module, executor, tmp_path):
        def remove_when_begun():
            until(lambda: (tmp_path / "begun").exists())
            found.update(jobs(folder=tmp_path))
            shutil.rmtree(tmp_path / "files")

        found = set()
        helper = threading.Thread(target=remove_when_begun)
        helper.start()
        inputs = {"count": 1, "signs": str(tmp_path)}
        with pytest.raises(SlurmError, match="cannot be watched any more") as caught:
            built(module, executor()).execute(["waits"], inputs=inputs)
        helper.join()
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        (job,) = found
        until(lambda: states(job) == {"CANCELLED"})

    def test_the_driver_may_be_a_job_itself(self, module, executor, tmp_path):
        script = tmp_path / "driver.py"
        script.write_text(
            "import on_slurm\n"
            "from hamilton import driver\n"
            "from hamilton.plugins.h_slurm import SlurmTaskExecutor\n"
            f"executor = SlurmTaskExecutor(folder={str(tmp_path / 'files')!r})\n"
            "builder = driver.Builder().with_modules(on_slurm).enable_dynamic_execution()\n"
            "dr = builder.with_remote_executor(executor).build()\n"
            "print(dr.execute(['total'], inputs={'count': 4}))\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"
        subprocess.run(
            ["sbatch", "--mem=100M", f"--output={tmp_path / 'log'}", f"--wrap={command}"],
            env=environment,
            check=True,
            capture_output=True,
        )
        until(
            lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().endswith("}\n")
        )
        assert (tmp_path / "log").read_text() == "{'total': 14}\n"

    def test_the_cache_keeps_what_elements_computed(self, module, executor, tmp_path):
        def run(count):
            builder = driver.Builder().with_modules(module).with_cache(tmp_path / "cache")
            builder = builder.enable_dynamic_execution().with_remote_executor(executor())
            dr = builder.build()
            assert dr.execute(["total"], inputs={"count": count})["total"] in (1, 5)
            entries = dr.cache.metadata_store.get_run(dr.cache.last_run_id)
            return [entry["node_name"] for entry in entries].count("square")

        assert run(2) == 2
        assert run(3) == 1

    def test_an_interrupt_cancels_the_jobs(self, module, onebox_slurm, tmp_path):
        script = tmp_path / "interrupted.py"
        script.write_text(
            "import on_slurm\n"
            "from hamilton import driver\n"
            "from hamilton.plugins.h_slurm import SlurmTaskExecutor\n"
            f"executor = SlurmTaskExecutor(folder={str(tmp_path / 'files')!r})\n"
            "builder = driver.Builder().with_modules(on_slurm).enable_dynamic_execution()\n"
            "dr = builder.with_remote_executor(executor).build()\n"
            f"dr.execute(['waits'], inputs={{'count': 2, 'signs': {str(tmp_path)!r}}})\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True
        ) as running:
            until(lambda: (tmp_path / "begun").exists())
            (job,) = jobs(folder=tmp_path)
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=30)
        assert "KeyboardInterrupt" in told
        until(lambda: states(job) <= {"CANCELLED", "COMPLETED"})
        assert "CANCELLED" in states(job)

    def test_what_slurm_refuses_fails_with_its_words(self, module, executor):
        dr = built(module, executor(partition="nowhere"))
        with pytest.raises(SlurmError, match=r"sbatch did not take .*invalid partition"):
            dr.execute(["total"], inputs={"count": 2})

    def test_a_job_that_waits_for_more_than_its_turn_is_told_of(
        self, module, executor, tmp_path, caplog
    ):
        class Cancel(logging.Handler):
            def emit(self, record):
                subprocess.run(["scancel", record.args[0]], check=True)

        handler = Cancel()
        logger = logging.getLogger("hamilton.plugins._slurm_watch")
        logger.addHandler(handler)
        try:
            with pytest.raises(SlurmError, match="ended as CANCELLED on no node"):
                built(module, executor(partition="stopped")).execute(["total"], inputs={"count": 1})
        finally:
            logger.removeHandler(handler)
        assert "for the reason PartitionDown" in caplog.text

    def test_values_that_cannot_travel_are_named(self, module, executor, tmp_path):
        dr = built(module, executor())
        with pytest.raises(TypeError, match="input offset \\(a lock\\)"):
            dr.execute(["total"], inputs={"count": 2}, overrides={"offset": threading.Lock()})
        assert not (tmp_path / "files").exists()

    def test_the_executor_serves_several_runs_and_no_two_at_once(self, module, executor):
        one = executor(max_tasks=1)
        dr = built(module, one)
        assert dr.execute(["total"], inputs={"count": 2}) == {"total": 1}
        assert dr.execute(["total"], inputs={"count": 0}) == {"total": 0}
        one.init()
        with pytest.raises(RuntimeError, match="called twice"):
            one.init()
        one.finalize()
        with pytest.raises(RuntimeError, match="before init"):
            one.finalize()

    def test_hooks_of_the_graph_see_a_lost_task_as_the_runs_error(self, module, executor):
        class Seen(GraphExecutionHook):
            def run_before_graph_execution(self, **future_kwargs):
                self.error = None

            def run_after_graph_execution(self, *, error, **future_kwargs):
                self.error = error

        seen = Seen()
        with pytest.raises(SlurmError):
            built(module, executor(), seen).execute(["kills"], inputs={"count": 1})
        assert isinstance(seen.error, SlurmError)


def test_without_slurm_the_error_says_what_is_missing(module, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    dr = built(module, SlurmTaskExecutor(folder=tmp_path / "files"))
    with pytest.raises(SlurmError, match="sbatch, squeue, scancel cannot be found"):
        dr.execute(["total"], inputs={"count": 2})
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpus": 0}, "cpus must be greater than 0"),
        ({"poll_s": float("nan")}, "poll_s must be greater than 0"),
        ({"setup": "module load"}, "list of lines"),
        ({"directives": {"--mem": "1G"}}, "set by memory"),
        ({"directives": {"wrap": "ls"}}, "cannot be used"),
        ({"directives": {"p": "main"}}, "long options"),
        ({"directives": {"exclusive": False}}, "leave out"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SlurmTaskExecutor(**options)


def until(happened):
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, "it did not happen within 30 seconds"
        time.sleep(0.02)


def jobs(folder):
    """Returns the jobs that write their logs below a folder."""
    listed = subprocess.run(
        ["squeue", "--noheader", "--Format=ArrayJobID:20,STDOUT:300"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {line.split()[0] for line in listed.splitlines() if str(folder) in line}


def states(job):
    listed = subprocess.run(
        ["squeue", "--noheader", "--states=all", "--array", "--format=%T", f"--jobs={job}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return set(listed.split())
