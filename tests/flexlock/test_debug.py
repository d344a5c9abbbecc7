"""After a failure the variables are at the prompt, but only at a prompt and only when asked for."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flexlock import unsafe_debug
from flexlock.debug import describe_failure

SOURCES = str(Path(__file__).parents[2] / "src")

# The seed's own lines.
PROCESS = """
from flexlock import clicfg, unsafe_debug

class Config:
    param = 1

@unsafe_debug
@clicfg(config_class=Config)
def main(cfg):
    a =  0
    1/a

def log_run(save_dir):
        ...

if __name__ == '__main__':
    main(Config())
"""

NESTED = """
import json
from flexlock import unsafe_debug

def helper(text):
    In = "not the history"
    where = "helper"
    return json.loads(text)

@unsafe_debug
def main():
    where = "main"
    b = 2
    return [helper(text) for text in ("[1]", "{")]

def ok():
    return 1

ok = unsafe_debug(ok)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "process.py").write_text(PROCESS)
    (tmp_path / "nested_case.py").write_text(NESTED)
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        "PYTHONPATH": SOURCES,
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / ".ipython"),
        "TERM": "dumb",
        **more,
    }


def ipython(folder: Path, lines: str, **variables: str) -> str:
    """Return what IPython prints when the lines are typed to it."""
    command = [
        *(sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt"),
        *("--colors=nocolor", "--no-confirm-exit"),
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder, **variables), input=lines,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


SEED_LINES = """\
import process; process.main()
print("a is", a)
"""


class TestIPython:
    def test_seed_session(self, folder: Path) -> None:
        lines = SEED_LINES + (
            "%run process.py -o param 3\n"
            "print('param is', cfg.param, a)\n"
            "print('In is', type(In).__name__)\n"
        )
        output = ipython(folder, lines, FLEXLOCK_DEBUG="1")
        assert output.count("ZeroDivisionError: division by zero") == 2  # still raised
        assert "a is 0" in output
        assert "param is 3 0" in output
        assert "In is list" in output

    def test_nothing_is_put_there_without_the_variable(self, folder: Path) -> None:
        lines = f"{SEED_LINES}print('and then')\n%run process.py --debug\nprint('now a is', a)\n"
        before, _, after = ipython(folder, lines).partition("and then")
        assert "ZeroDivisionError: division by zero" in before
        assert "name 'a' is not defined" in before
        assert "flexlock:" not in before
        assert "now a is 0" in after  # the option of the command line does the same


class Kernel:
    """A real Jupyter kernel, shared by the tests of this file."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import KernelManager

        self.folder = folder
        self._manager = KernelManager()  # of this interpreter
        variables = environment(folder, JUPYTER_RUNTIME_DIR=str(folder / "runtime"))
        self._manager.start_kernel(cwd=str(folder), env=variables)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str) -> tuple[str, str]:
        """Return (all text that was printed, name of the exception or nothing)."""
        texts: list[str] = []
        error: list[str] = []

        def collect(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                texts.append(content["text"])
            elif message["msg_type"] == "error":
                error.append(content["ename"])

        self._client.execute_interactive(
            code, output_hook=collect, timeout=60, allow_stdin=False, stop_on_error=False
        )
        return "".join(texts), "".join(error)

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "process.py").write_text(PROCESS)
    (folder / "nested_case.py").write_text(NESTED)
    started = Kernel(folder)
    yield started
    started.close()


class TestKernel:
    @pytest.fixture(autouse=True)
    def fresh(self, kernel: Kernel) -> None:
        kernel.run(
            "%reset -f\n"
            "import os, sys; os.environ['FLEXLOCK_DEBUG'] = '1'\n"
            "os.environ.pop('FLEXLOCK_NODEBUG', None)\n"
            "sys.path[:0] = ['.'] if '.' not in sys.path else []"
        )

    def test_variables_of_the_failed_function_are_there(self, kernel: Kernel) -> None:
        printed, error = kernel.run("import process; process.main(param=4)")
        assert error == "ZeroDivisionError"
        assert "the variables of main (process.py:11) are here: a, cfg" in printed
        assert kernel.run("print(a, cfg.param)") == ("0 4\n", "")

    def test_variable_is_read_when_the_error_happens(self, kernel: Kernel) -> None:
        kernel.run("import process; del os.environ['FLEXLOCK_DEBUG']")
        assert kernel.run("process.main()")[1] == "ZeroDivisionError"
        assert kernel.run("print(a)")[1] == "NameError"
        kernel.run("os.environ['FLEXLOCK_DEBUG'] = 'true'")
        kernel.run("process.main()")
        assert kernel.run("print(a)") == ("0\n", "")

    def test_off_switch_wins(self, kernel: Kernel) -> None:
        kernel.run("import process; os.environ['FLEXLOCK_NODEBUG'] = '1'; process.main()")
        assert kernel.run("print(a)")[1] == "NameError"

    def test_function_of_a_cell_is_not_run_with_the_command_line_of_the_kernel(
        self, kernel: Kernel
    ) -> None:
        code = PROCESS.replace("1/a", "print('param', cfg.param)")
        assert kernel.run(code) == ("param 1\n", "")
        assert kernel.run("main(param=7)") == ("param 7\n", "")

    def test_function_of_a_cell_is_looked_into(self, kernel: Kernel) -> None:
        kernel.run(PROCESS.replace("main(Config())", "pass"))
        assert kernel.run("main(Config())")[1] == "ZeroDivisionError"
        assert kernel.run("print(a)") == ("0\n", "")

    def test_frames_can_be_walked_and_the_prompt_keeps_its_own_names(self, kernel: Kernel) -> None:
        kernel.run("where = 'prompt'; import nested_case")
        printed, error = kernel.run("nested_case.main()")
        assert error == "JSONDecodeError"
        assert "helper (nested_case.py:8) are here: text, where" in printed
        assert "they hide yours: where" in printed
        assert "left alone, because the prompt needs them: In" in printed
        assert kernel.run("print(where, text, type(In).__name__)")[0] == "helper { list\n"
        kernel.run("_debug_goto(0)")
        assert kernel.run("print(where, b, 'text' in globals())")[0] == "main 2 False\n"
        listing = kernel.run("_debug_show()")[0]
        assert re.search(r"^>   0 main \(nested_case.py:14\)$", listing, re.MULTILINE)
        assert "decoder.py" in listing  # frames of libraries can be reached too
        kernel.run("_debug_down(99)")
        assert "decoder.py" in kernel.run("print(_debug_frame_info())")[0]
        kernel.run("_debug_up()")
        assert kernel.run("print(_debug_current().f_code.co_name)")[0] == "decode\n"
        kernel.run("_debug_goto(0); _debug_goto(2); del _debug_frames[:]")

    def test_frames_are_let_go_by_the_next_call(self, kernel: Kernel) -> None:
        kernel.run(
            "import nested_case, gc, weakref\n"
            "class Big: pass\n"
            "def hold(): big = Big(); kept.append(weakref.ref(big)); 1/0\n"
            "kept = []; held = nested_case.unsafe_debug(hold)"
        )
        kernel.run("held()")
        assert kernel.run("del big; print(len(_debug_frames))")[0] == "1\n"
        # IPython itself keeps the last traceback until another one takes its place.
        kernel.run("raise KeyError")
        printed = kernel.run("nested_case.ok(); gc.collect(); print(kept[0](), _debug_frames)")
        assert printed == ("None []\n", "")
        assert "released" in kernel.run("_debug_up()")[0]

    def test_reloaded_code_is_looked_into(self, kernel: Kernel) -> None:
        file = kernel.folder / "reloaded_case.py"
        file.write_text(PROCESS)
        kernel.run("%load_ext autoreload\n%autoreload 2")
        assert kernel.run("import reloaded_case; reloaded_case.main()")[1] == "ZeroDivisionError"
        file.write_text(PROCESS.replace("a =  0", "fresh = 5; a = 0"))
        os.utime(file, (time.time() + 5, time.time() + 5))
        assert kernel.run("reloaded_case.main()")[1] == "ZeroDivisionError"
        assert kernel.run("print(fresh, a)") == ("5 0\n", "")
        kernel.run("%autoreload 0")


class TestScripts:
    def test_terminal_gets_the_debugger_at_the_failed_frame(self, folder: Path) -> None:
        output, status = on_terminal(
            folder, ["process.py", "-o", "param", "6"], ["p a, cfg.param", "up", "q"],
            FLEXLOCK_DEBUG="1",
        )  # fmt: skip
        assert "(0, 6)" in output
        assert "ZeroDivisionError" in output
        assert status == 1

    def test_debugger_starts_in_the_functions_module(self, folder: Path) -> None:
        code = "import nested_case; nested_case.main()"
        output, _ = on_terminal(folder, ["-c", code], ["p where", "q"], FLEXLOCK_DEBUG="1")
        assert "'helper'" in output

    def test_terminal_gets_no_debugger_without_the_variable(self, folder: Path) -> None:
        output, status = on_terminal(folder, ["process.py"], [])
        assert "(Pdb)" not in output
        assert status == 1

    def test_batch_jobs_never_wait(self, folder: Path) -> None:
        for strategy in ("auto", "pdb", "inject"):
            done = subprocess.run(
                [sys.executable, "process.py"], cwd=folder, stdin=subprocess.DEVNULL,
                env=environment(folder, FLEXLOCK_DEBUG="1", FLEXLOCK_DEBUG_STRATEGY=strategy),
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert done.returncode == 1
            assert "ZeroDivisionError: division by zero" in done.stderr
            assert "Pdb" not in done.stdout

    def test_plain_prompt_gets_the_variables_too(self, folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-i", "-q"], cwd=folder, input=SEED_LINES,
            env=environment(folder, FLEXLOCK_DEBUG="1"),
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "a is 0" in done.stdout


def on_terminal(
    folder: Path, arguments: list[str], answers: list[str], **variables: str
) -> tuple[str, int]:
    """Run Python on a pseudo-terminal; answer each prompt of pdb; return output and status."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment(folder, **variables),
        stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True,
    )  # fmt: skip
    os.close(terminal)
    output = b""
    answered = 0
    limit = time.monotonic() + 40
    try:
        while time.monotonic() < limit:
            ready, _, _ = select.select([controller], [], [], 0.2)
            if ready:
                try:
                    output += os.read(controller, 4096)
                except OSError:  # the other side is closed
                    break
            prompts = output.count(b"(Pdb)")
            while answered < min(prompts, len(answers)):
                os.write(controller, answers[answered].encode() + b"\n")
                answered += 1
        return output.decode(), process.wait(timeout=10)
    finally:
        process.kill()
        os.close(controller)


class TestOutsideOfAPrompt:
    def test_value_passes_through_and_the_name_stays(self) -> None:
        def double(x: int) -> int:
            """Twice."""
            return 2 * x

        debugged = unsafe_debug(double)
        assert debugged(3) == 6
        assert (debugged.__name__, debugged.__doc__) == ("double", "Twice.")

    def test_failure_is_described_with_cut_and_masked_variables(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLEXLOCK_DEBUG", "1")
        facts = describe_failure(failure())
        assert facts["frame"].startswith("failing (")
        shown = facts["locals"]
        assert shown["number"] == "3"
        assert len(shown["long"]) == 200
        assert "canary" not in str(facts)
        assert shown["password"] == "***"
        assert shown["broken"] == "<Broken: its repr failed with RuntimeError>"

    def test_failure_is_not_described_unless_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("FLEXLOCK_DEBUG", raising=False)
        assert describe_failure(failure()) == {}
        monkeypatch.setenv("FLEXLOCK_DEBUG", "1")
        assert describe_failure(SystemExit(1)) == {}


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


class Account:
    def __init__(self) -> None:
        self.token = "canary-in-an-object"

    def __repr__(self) -> str:
        return f"Account({self.token})"


def failure() -> Exception:
    def failing() -> None:
        number = 3
        long = "x" * 1000
        password = "canary-one"
        url = f"http://{password}@host"
        settings = {"api_key": "canary-two", "copy": "canary-two"}
        account = Account()
        broken = Broken()
        raise ValueError(number, long, url, settings, account, broken)

    try:
        failing()
    except ValueError as error:
        return error
    raise AssertionError
