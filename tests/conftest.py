"""What several packages' tests share."""

import gc
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

from onebox_slurm import onebox_slurm
from s3_server import Bucket, S3Server, s3_server

__all__ = ["onebox_slurm"]

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about what is tested. The examples are
# others in each run, so that few of them are enough in one.
settings.register_profile("untimed", deadline=None, max_examples=40)
settings.load_profile("untimed")


# Thousands of tests and the libraries that they import stay to the end: looking for garbage among
# them again and again would take a quarter of the time.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but only in what the tests make."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of few tests: those are the long ones, and the last runs alone."""
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: tests[item.path])


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server that speaks the S3 protocol."""
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """A fresh bucket on it."""
    return s3.bucket()
