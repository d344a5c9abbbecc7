"""Local workers: what they are given, and how their ends are told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flexlock.tasks.local import THREAD_VARIABLES, worker_environment
from flexlock.tasks.options import cores
from flexlock.tasks.plan import SECRETS
from flexlock.tasks.recovery import signal_text


def test_workers_share_the_cores_unless_told_otherwise() -> None:
    many = worker_environment({"OMP_NUM_THREADS": "7"}, 2 * cores(), "{}")
    assert many.pop("OMP_NUM_THREADS") == "7"
    assert many == dict.fromkeys(set(THREAD_VARIABLES) - {"OMP_NUM_THREADS"}, "1")
    assert worker_environment({"A": "b"}, 1, "{}") == {"A": "b"}


def test_secrets_go_into_the_environment_of_workers_only() -> None:
    assert worker_environment({}, 1, '{".token": "x"}') == {SECRETS: '{".token": "x"}'}
    assert SECRETS not in os.environ


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (often for want of memory)"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("import sys; sys.exit(5)", "its worker ended with exit status 5"),
    ],
)
def test_the_end_of_a_process_in_words(code: str, text: str) -> None:
    status = subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert signal_text(status) == text
