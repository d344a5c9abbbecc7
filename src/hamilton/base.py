"""Result builders and graph adapters.

pandas and numpy are imported by the builders that make their objects, when a result is built.
"""

from __future__ import annotations

import abc
import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from hamilton._matching import value_accepted
from hamilton.lifecycle.api import GraphAdapter, LegacyResultMixin
from hamilton.node import Node

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "DefaultAdapter",
    "DictResult",
    "HamiltonGraphAdapter",
    "NumpyMatrixResult",
    "PandasDataFrameResult",
    "ResultMixin",
    "SimplePythonDataFrameGraphAdapter",
    "SimplePythonGraphAdapter",
    "StrictIndexTypePandasDataFrameResult",
]

logger = logging.getLogger(__name__)

ResultMixin = LegacyResultMixin
_NO_INDEX = "no-index"
IndexTypes = dict[str, list[str]]


class DictResult(ResultMixin):
    """Returns the requested values as a dictionary."""

    @staticmethod
    def build_result(**outputs: Any) -> dict[str, Any]:
        """Returns the values by name, in the order of the request."""
        return outputs

    def input_types(self) -> list[type]:
        """Returns that any type will do."""
        return [Any]

    def output_type(self) -> type:
        """Returns ``Dict[str, Any]``."""
        return dict[str, Any]


class PandasDataFrameResult(ResultMixin):
    """Returns the requested values as the columns of one pandas DataFrame."""

    @staticmethod
    def pandas_index_types(
        outputs: Mapping[str, Any],
    ) -> tuple[IndexTypes, IndexTypes, IndexTypes]:
        """Returns output names by index type: of all, of time or categorical, of no index.

        Index types read ``<class>:::<dtype>``; outputs without an index are under ``no-index``.
        """
        import pandas as pd
        from pandas.core.indexes import extension

        all_types: IndexTypes = {}
        time_types: IndexTypes = {}
        no_index: IndexTypes = {}
        for name, output in outputs.items():
            if isinstance(output, (pd.DataFrame, pd.Series)):
                index: Any = output.index
            elif isinstance(output, pd.Index):
                # A bare index is a column of values: it will get the range index of its length.
                index = pd.RangeIndex(len(output))
            else:
                no_index.setdefault(_NO_INDEX, []).append(name)
                all_types.setdefault(_NO_INDEX, []).append(name)
                continue
            key = f"{type(index).__name__}:::{index.dtype}"
            all_types.setdefault(key, []).append(name)
            if isinstance(index, extension.ExtensionIndex):
                time_types.setdefault(key, []).append(name)
        return all_types, time_types, no_index

    @staticmethod
    def check_pandas_index_types_match(
        all_index_types: IndexTypes, time_indexes: IndexTypes, no_indexes: IndexTypes
    ) -> bool:
        """Returns whether the outputs share one index type; warns when they do not."""
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("Index types encountered:\n%s", _index_lines(all_index_types))
        count = len(all_index_types)
        if len(time_indexes) > 1:
            logger.warning(
                "WARNING: Time/Categorical index type mismatches detected - check output to "
                "ensure the index alignment is what you expect.\n%s",
                _index_lines(time_indexes),
            )
            return False
        if no_indexes and count == len(no_indexes):
            logger.warning(
                "It appears no Pandas index type was detected (scalars or objects without an "
                "index): the result gets a range index.\n%s",
                _index_lines(all_index_types),
            )
            return False
        if no_indexes and count == 2:
            without = len(no_indexes.get(_NO_INDEX, []))
            logger.warning(
                "WARNING: a single pandas index was found, but there are also %d outputs "
                "without an index. Please check whether values were placed as expected.\n%s",
                without,
                _index_lines(all_index_types),
            )
            return True
        if count > 1:
            logger.warning(
                "WARNING: Multiple index types detected - check output to ensure the index "
                "alignment is what you expect.\n%s",
                _index_lines(all_index_types),
            )
            return False
        return True

    @staticmethod
    def build_result(**outputs: Any) -> pd.DataFrame:
        """Returns one frame: an outer join on the index, columns in the order of the request.

        A single DataFrame is returned as it is. With any DataFrame among several outputs, its
        columns become ``<output>.<column>``.

        Raises:
            ValueError: Two outputs lead to the same column name.
        """
        import pandas as pd

        PandasDataFrameResult.check_pandas_index_types_match(
            *PandasDataFrameResult.pandas_index_types(outputs)
        )
        if len(outputs) == 1:
            (value,) = outputs.values()
            if isinstance(value, pd.DataFrame):
                return value
        if not any(pd.api.types.is_list_like(value) for value in outputs.values()):
            return pd.DataFrame([outputs])
        if not any(isinstance(value, pd.DataFrame) for value in outputs.values()):
            return pd.DataFrame(outputs)
        return PandasDataFrameResult.build_dataframe_with_dataframes(outputs)

    @staticmethod
    def build_dataframe_with_dataframes(outputs: Mapping[str, Any]) -> pd.DataFrame:
        """Returns one frame in which each DataFrame is unpacked as ``<output>.<column>``.

        Raises:
            ValueError: Two outputs lead to the same column name.
        """
        import pandas as pd

        columns: dict[str, Any] = {}
        for name, output in outputs.items():
            if isinstance(output, pd.DataFrame):
                for column in output.columns:
                    key = f"{name}.{column}"
                    if key in columns:
                        raise ValueError(
                            f"Series {key} already exists in the output. Request fewer outputs, "
                            "rename one, or use another result builder."
                        )
                    columns[key] = output[column]
            elif name in columns:
                kind = "Series" if isinstance(output, pd.Series) else "Non series output"
                raise ValueError(
                    f"{kind} {name} already exists in the output. Request fewer outputs, rename "
                    "one, or use another result builder."
                )
            else:
                columns[name] = output
        return pd.DataFrame(columns)

    def input_types(self) -> list[type]:
        """Returns that any type will do."""
        return [Any]

    def output_type(self) -> type:
        """Returns ``pandas.DataFrame``."""
        import pandas as pd

        return pd.DataFrame


class StrictIndexTypePandasDataFrameResult(PandasDataFrameResult):
    """Like `PandasDataFrameResult`, but index types that do not match are an error."""

    @staticmethod
    def build_result(**outputs: Any) -> pd.DataFrame:
        """Returns one frame.

        Raises:
            ValueError: The outputs do not share one index type.
        """
        types = PandasDataFrameResult.pandas_index_types(outputs)
        if not PandasDataFrameResult.check_pandas_index_types_match(*types):
            raise ValueError(
                "Error: pandas index types did not match exactly. "
                f"Found the following indexes:\n{_index_lines(types[0])}"
            )
        return PandasDataFrameResult.build_result(**outputs)


class NumpyMatrixResult(ResultMixin):
    """Returns the requested values as the columns of a numpy matrix, in the order requested."""

    @staticmethod
    def build_result(**outputs: Any) -> np.matrix[Any, Any]:
        """Returns the matrix; scalars are repeated to the common length.

        Raises:
            ValueError: Two vectors differ in length.
        """
        import numpy as np

        lengths = {n: 1 if isinstance(v, (int, float)) else len(v) for n, v in outputs.items()}
        common = max(lengths.values(), default=0)
        columns = []
        for name, value in outputs.items():
            if isinstance(value, (int, float)):
                columns.append([value] * common)
            elif lengths[name] == common:
                columns.append(list(value))
            else:
                raise ValueError(
                    "Error, got non scalar result that mismatches length of other vector. "
                    f"Got {lengths[name]} for {name} instead of {common}."
                )
        # A view, because calling the class warns that matrices are out of fashion.
        return np.array(columns).T.view(np.matrix)

    def input_types(self) -> list[type]:
        """Returns that any type will do."""
        return [Any]

    def output_type(self) -> type:
        """Returns ``numpy.matrix``."""
        import numpy as np

        return np.matrix


def _index_lines(types: IndexTypes) -> str:
    import json

    return json.dumps(types, indent=2, sort_keys=True)


class HamiltonGraphAdapter(GraphAdapter, abc.ABC):
    """Adapts the dataflow to a context through four functions."""

    @staticmethod
    @abc.abstractmethod
    def check_input_type(node_type: type, input_value: Any) -> bool:
        """Returns whether a supplied value is fit for an input of `node_type`."""

    @staticmethod
    @abc.abstractmethod
    def check_node_type_equivalence(node_type: type, input_type: type) -> bool:
        """Returns whether a node of `node_type` may feed a parameter of `input_type`."""

    @abc.abstractmethod
    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Returns the value of a node for its arguments."""

    def do_validate_input(self, *, node_type: type, input_value: Any) -> bool:
        """Answers with `check_input_type`."""
        return self.check_input_type(node_type, input_value)

    def do_check_edge_types_match(self, *, type_from: type, type_to: type) -> bool:
        """Answers with `check_node_type_equivalence`."""
        return self.check_node_type_equivalence(type_to, type_from)

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Answers with `execute_node`."""
        return self.execute_node(node_, kwargs)


class SimplePythonDataFrameGraphAdapter(HamiltonGraphAdapter, PandasDataFrameResult):
    """The default: functions run one after another in the calling thread; pandas result."""

    @staticmethod
    def check_input_type(node_type: type, input_value: Any) -> bool:
        """Returns whether a value fits, by the driver's own rules."""
        return value_accepted(node_type, input_value)

    @staticmethod
    def check_node_type_equivalence(node_type: type, input_type: type) -> bool:
        """Returns whether the types are equal; the driver's own rules come before this."""
        return node_type == input_type

    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Calls the node's function."""
        return node.callable(**kwargs)

    def unchanged_points(self) -> Collection[str]:
        """Names the extension points at which this adapter does what the driver does anyway."""
        own = SimplePythonDataFrameGraphAdapter
        cls = type(self)
        same = {
            "do_validate_input": cls.check_input_type is own.check_input_type,
            "do_check_edge_types_match": (
                cls.check_node_type_equivalence is own.check_node_type_equivalence
            ),
            "do_node_execute": cls.execute_node is own.execute_node,
        }
        return [
            point
            for point, unchanged in same.items()
            if unchanged and getattr(cls, point) is getattr(own, point)
        ]


class SimplePythonGraphAdapter(SimplePythonDataFrameGraphAdapter):
    """Runs functions in the calling thread and builds the result with the given builder.

    Args:
        result_builder: Builds the result; None means `DictResult`.
    """

    def __init__(self, result_builder: Any = None) -> None:
        self.result_builder = DictResult() if result_builder is None else result_builder
        if not callable(getattr(self.result_builder, "build_result", None)):
            raise ValueError(
                f"{result_builder!r} has no build_result; pass an instance of a subclass of "
                "base.ResultMixin, for example base.DictResult()."
            )

    def build_result(self, **outputs: Any) -> Any:  # type: ignore[override]
        """Returns what the given builder makes of the values."""
        return self.result_builder.build_result(**outputs)

    def input_types(self) -> list[type]:
        """Returns what the given builder takes."""
        answer = getattr(self.result_builder, "input_types", None)
        return [Any] if answer is None else answer()

    def output_type(self) -> type:
        """Returns what the given builder makes."""
        answer = getattr(self.result_builder, "output_type", None)
        return Any if answer is None else answer()


class DefaultAdapter(SimplePythonGraphAdapter):
    """Runs functions in the calling thread; the result is a dictionary unless told otherwise."""
