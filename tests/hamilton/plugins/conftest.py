from __future__ import annotations

import os
import shutil
import sys
import warnings

import pytest

from hamilton import ad_hoc_utils

SOURCE = """
import os
import threading

from hamilton.function_modifiers.metadata import ray_remote_options
from hamilton.htypes import Collect, Parallelizable


def one(x: int) -> int:
    return x + 1


def two(x: int) -> int:
    return x * 2


def both(one: int, two: int) -> int:
    return one + two


def broken(both: int) -> int:
    raise ValueError("cannot go on")


def place(x: int) -> tuple:
    return os.getpid(), threading.current_thread().name


def item(x: int) -> Parallelizable[int]:
    yield from range(x)


def square(item: int) -> int:
    return item**2


def total(square: Collect[int]) -> int:
    return sum(square)
"""


QUIET = """
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c: %m%n
"""


@pytest.fixture
def module():
    return ad_hoc_utils.module_from_source(SOURCE)


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A Spark session in local mode: two threads, no web page, on the loopback address alone."""
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is no java here")
    place = tmp_path_factory.mktemp("spark")
    (place / "log4j2.properties").write_text(QUIET)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("SPARK_LOCAL_DIRS", str(place))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        session = (
            sql.SparkSession.builder.master("local[2]")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config(
                "spark.driver.extraJavaOptions",
                # The rest makes a short life of the virtual machine cheaper.
                f"-Dlog4j2.configurationFile=file:{place / 'log4j2.properties'} "
                "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto",
            )
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.warehouse.dir", str(place / "warehouse"))
            .getOrCreate()
        )
        yield session
        session.stop()
