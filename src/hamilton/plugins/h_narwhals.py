"""Functions written once for frames of any library, with narwhals between them and the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamilton import htypes
from hamilton._matching import value_accepted
from hamilton.lifecycle.api import ResultBuilder
from hamilton.lifecycle.base import (
    BaseDoCheckEdgeTypesMatch,
    BaseDoNodeExecute,
    BaseDoValidateInput,
)
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

__all__ = ["NarwhalsAdapter", "NarwhalsDataFrameResultBuilder"]


def _narwhals() -> Any:
    try:
        import narwhals
    except ImportError:
        raise missing_library("narwhals", "'derivaml[observing]'") from None
    return narwhals


def _wrapped(value: Any) -> Any:
    """Returns a frame or column wrapped by narwhals, and anything else as it is."""
    return _narwhals().from_native(value, pass_through=True, allow_series=True)


def _native(value: Any) -> Any:
    """Returns the frame or column that narwhals has wrapped, and anything else as it is."""
    return _narwhals().to_native(value, pass_through=True)


class NarwhalsAdapter(BaseDoCheckEdgeTypesMatch, BaseDoValidateInput, BaseDoNodeExecute):
    """Hands functions what they annotate: frames of narwhals, or those of the library.

    A parameter annotated ``nw.DataFrame``, ``nw.LazyFrame`` or ``nw.Series`` is fed by functions
    and inputs of any library that narwhals knows, and the other way round: a parameter annotated
    with a library's type takes what narwhals has wrapped.

    Raises:
        ImportError: narwhals is not installed.
    """

    def __init__(self) -> None:
        nw = _narwhals()
        self._frames = (nw.DataFrame, nw.LazyFrame)
        self._wrappers = (*self._frames, nw.Series)

    def _kind(self, type_: Any) -> str | None:
        """Returns what a type is to narwhals: a frame, a column, or None for neither."""
        from hamilton import registry

        plain = htypes.without_annotation(type_)
        plain = getattr(plain, "__origin__", plain)
        if not isinstance(plain, type):
            return None
        if issubclass(plain, (*self._frames, *registry.dataframe_types())):
            return "frame"
        if issubclass(plain, (*self._wrappers, *registry.column_types_for())):
            return "column"
        return _arrow_kind(plain)

    def _is_wrapper(self, type_: Any) -> bool:
        plain = htypes.without_annotation(type_)
        plain = getattr(plain, "__origin__", plain)
        return isinstance(plain, type) and issubclass(plain, self._wrappers)

    def do_check_edge_types_match(self, *, type_from: type, type_to: type) -> bool:
        """Returns whether narwhals stands on one side and a frame, or column, on both."""
        if not (self._is_wrapper(type_from) or self._is_wrapper(type_to)):
            return False
        kind = self._kind(type_from)
        return kind is not None and kind == self._kind(type_to)

    def do_validate_input(self, *, node_type: type, input_value: Any) -> bool:
        """Returns whether a value fits, wrapped or not."""
        if value_accepted(node_type, input_value):
            return True
        if self._is_wrapper(node_type):
            return isinstance(_wrapped(input_value), self._wrappers) and (
                self._kind(node_type) == self._kind(type(_wrapped(input_value)))
            )
        return isinstance(input_value, self._wrappers) and value_accepted(
            node_type, _native(input_value)
        )

    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Runs the node with its arguments wrapped, or not, as it annotates them."""
        types: Mapping[str, Any] = node_.input_types
        fitted = {name: self._fitted(types.get(name), value) for name, value in kwargs.items()}
        return node_.callable(**fitted)

    def _fitted(self, declared: Any, value: Any) -> Any:
        type_ = declared[0] if isinstance(declared, tuple) else declared
        if self._is_wrapper(type_):
            return _wrapped(value)
        if isinstance(value, self._wrappers) and self._kind(type_) is not None:
            return _native(value)
        return value


def _arrow_kind(type_: type) -> str | None:
    if type_.__module__.partition(".")[0] != "pyarrow":
        return None
    return {"Table": "frame", "ChunkedArray": "column"}.get(type_.__name__)


class NarwhalsDataFrameResultBuilder(ResultBuilder):
    """Unwraps what narwhals has wrapped, and has another builder build the result.

    Args:
        result_builder: Builds the result of a library's frames and columns.
    """

    def __init__(self, result_builder: Any) -> None:
        self.result_builder = result_builder

    def build_result(self, **outputs: Any) -> Any:
        """Returns what the other builder makes of the unwrapped outputs."""
        return self.result_builder.build_result(
            **{name: _native(value) for name, value in outputs.items()}
        )

    def input_types(self) -> list[type]:
        """Returns what the other builder takes."""
        types: list[type] = self.result_builder.input_types()
        return types

    def output_type(self) -> type:
        """Returns what the other builder makes."""
        type_: type = self.result_builder.output_type()
        return type_
