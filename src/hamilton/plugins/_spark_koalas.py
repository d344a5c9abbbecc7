"""Dataflows of pandas functions on Spark's pandas API."""

from __future__ import annotations

import logging
from typing import Any

from hamilton import base
from hamilton._matching import value_accepted
from hamilton.htypes import without_annotation
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

__all__ = ["KoalasDataFrameResult", "SparkKoalasGraphAdapter"]

logger = logging.getLogger(__name__)

_PANDAS_NAMES = ("DataFrame", "Series", "Index")


def pandas_on_spark() -> Any:
    """Returns the module ``pyspark.pandas``.

    Raises:
        ImportError: PySpark is not installed, or it does not go with the installed pandas.
    """
    try:
        import pyspark
    except ImportError:
        raise missing_library("pyspark", "'derivaml[spark]'") from None
    try:
        import pyspark.pandas as ps
    except ImportError as error:
        import pandas as pd

        raise ImportError(
            f"The pandas API of PySpark {pyspark.__version__} cannot be imported with pandas "
            f"{pd.__version__}: {error}. Run `pip install 'pandas<3'`.",
            name="pyspark.pandas",
        ) from error
    return ps


def _pandas_name(type_: Any) -> str | None:
    """Returns ``Series`` and the like for a type of pandas or of pandas on Spark."""
    plain = without_annotation(type_)
    if not isinstance(plain, type):
        return None
    for cls in plain.__mro__:
        home = cls.__module__.split(".")
        if cls.__name__ in _PANDAS_NAMES and (
            home[0] == "pandas" or home[:2] == ["pyspark", "pandas"]
        ):
            return cls.__name__
    return None


class KoalasDataFrameResult(base.ResultMixin):
    """Builds one pandas-on-Spark DataFrame; a single one is returned as it is."""

    @staticmethod
    def build_result(**outputs: Any) -> Any:
        """Returns the frame, with a column for each output and the index of the first series.

        Raises:
            ValueError: There is no series among the outputs, or a frame among several.
        """
        ps = pandas_on_spark()
        if len(outputs) == 1:
            (value,) = outputs.values()
            if isinstance(value, ps.DataFrame):
                return value
        spine = next((n for n, v in outputs.items() if isinstance(v, ps.Series)), None)
        if spine is None:
            raise ValueError(
                "A pandas-on-Spark frame needs a pandas-on-Spark series among the outputs; found "
                f"{ {n: type(v).__name__ for n, v in outputs.items()} }."
            )
        return _on_spine(spine, outputs)

    def output_type(self) -> type:
        """Returns the pandas-on-Spark DataFrame type."""
        return pandas_on_spark().DataFrame  # type: ignore[no-any-return]


def _on_spine(spine: str, outputs: dict[str, Any]) -> Any:
    """Returns a frame of the outputs, in their order, with the index of one of them."""
    ps = pandas_on_spark()
    frames = [name for name, value in outputs.items() if isinstance(value, ps.DataFrame)]
    if frames:
        raise ValueError(
            f"{frames} are frames; they cannot be columns of the result. Request their columns, "
            "or one of them alone."
        )
    with ps.option_context("compute.ops_on_diff_frames", True):
        frame = outputs[spine].to_frame(name=spine)
        for name, value in outputs.items():
            if name != spine:
                frame[name] = value
        return frame[list(outputs)]


class SparkKoalasGraphAdapter(base.HamiltonGraphAdapter):
    """Runs functions that are written for pandas on Spark's pandas API.

    Functions run in this process, on series and frames whose work Spark does when a value is
    needed. Pandas annotations accept the pandas-on-Spark type of the same name. Columns of
    different frames are joined on their index, which needs a shuffle.

    Args:
        spark_session: The session that does the work.
        result_builder: A `base.PandasDataFrameResult` to get the result as a pandas frame in this
            process, or a `KoalasDataFrameResult` to leave it on Spark.
        spine_column: The output whose index the result has.

    Raises:
        ValueError: The result builder is of another class.
        ImportError: PySpark is not installed, or its pandas API does not go with pandas.
    """

    def __init__(self, spark_session: Any, result_builder: Any, spine_column: str) -> None:
        if not isinstance(result_builder, (base.PandasDataFrameResult, KoalasDataFrameResult)):
            raise ValueError(
                "SparkKoalasGraphAdapter builds a base.PandasDataFrameResult or a "
                f"KoalasDataFrameResult, found {result_builder!r}."
            )
        pandas_on_spark()
        self.spark_session = spark_session
        self.result_builder = result_builder
        self.spine_column = spine_column

    @staticmethod
    def check_input_type(node_type: type, input_value: Any) -> bool:
        """Returns whether a value fits; pandas-on-Spark values fit where pandas' do."""
        given = _pandas_name(type(input_value))
        if given is not None and given == _pandas_name(node_type):
            return True
        return value_accepted(node_type, input_value)

    @staticmethod
    def check_node_type_equivalence(node_type: type, input_type: type) -> bool:
        """Returns whether the types are equal, or the pandas and the Spark type of one name."""
        if node_type == input_type:
            return True
        name = _pandas_name(node_type)
        return name is not None and name == _pandas_name(input_type)

    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Calls the node's function."""
        return node.callable(**kwargs)

    def build_result(self, **outputs: Any) -> Any:  # type: ignore[override]
        """Returns the frame of all outputs, on Spark or brought here.

        Raises:
            ValueError: The spine column is not among the outputs.
        """
        ps = pandas_on_spark()
        if not isinstance(outputs.get(self.spine_column), ps.Series):
            raise ValueError(
                f"The spine column {self.spine_column!r} must be requested and be a "
                f"pandas-on-Spark series; the outputs are {sorted(outputs)}."
            )
        frame = _on_spine(self.spine_column, outputs)
        if isinstance(self.result_builder, KoalasDataFrameResult):
            return frame
        logger.debug("Bringing %d columns from Spark to this process.", len(outputs))
        return frame.to_pandas()

    def output_type(self) -> type:
        """Returns what the given builder makes."""
        return self.result_builder.output_type()
