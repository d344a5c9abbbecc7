"""Nodes and tasks on Dask."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from hamilton import base
from hamilton._matching import value_accepted
from hamilton.execution.executors import (
    TaskExecutor,
    TaskFuture,
    TaskFutureWrappingPythonFuture,
    TaskState,
)
from hamilton.execution.tasks import TaskImplementation, pack_task, run_packed
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library, run_shipped, shipped

__all__ = ["DaskDataFrameResult", "DaskExecutor", "DaskGraphAdapter"]


def _dask() -> Any:
    try:
        import dask
    except ImportError:
        raise missing_library("dask", "'derivaml[dataflow]'") from None
    return dask


class DaskGraphAdapter(base.HamiltonGraphAdapter):
    """Builds one Dask graph of all nodes, or runs functions on Dask collections.

    Args:
        dask_client: A ``distributed.Client``, which computes.
        result_builder: Builds the result; default a dictionary.
        visualize_kwargs: Arguments of Dask's own drawing, made before computing; None for none.
        use_delayed: Wrap every node in ``dask.delayed``, so that independent nodes run side by
            side. False runs functions in this process, for collections that are lazy themselves.
        compute_at_end: Return the computed result; False returns what can be computed.
    """

    def __init__(
        self,
        dask_client: Any,
        result_builder: Any = None,
        visualize_kwargs: Mapping[str, Any] | None = None,
        use_delayed: bool = True,
        compute_at_end: bool = True,
    ) -> None:
        self.client = dask_client
        self.result_builder = result_builder or base.DictResult()
        self.visualize_kwargs = visualize_kwargs
        self.use_delayed = use_delayed
        self.compute_at_end = compute_at_end

    @staticmethod
    def check_input_type(node_type: type, input_value: Any) -> bool:
        """Returns whether a value fits; Dask's series and frames fit where pandas' do."""
        kind = type(input_value)
        if kind.__module__.partition(".")[0] in ("dask", "dask_expr"):
            wanted = getattr(node_type, "__name__", "")
            return (
                not isinstance(node_type, type)
                or kind.__name__ == wanted
                or (wanted == "ndarray" and kind.__name__ == "Array")
            )
        return value_accepted(node_type, input_value)

    @staticmethod
    def check_node_type_equivalence(node_type: type, input_type: type) -> bool:
        """Returns whether the types are equal; the driver's own rules come before this."""
        return node_type == input_type

    def execute_node(self, node: Node, kwargs: dict[str, Any]) -> Any:
        """Returns the node as a delayed value, or its value."""
        if not self.use_delayed:
            return node.callable(**kwargs)
        call = functools.partial(run_shipped, shipped(node.callable, node))
        key = f"{node.name}-{uuid.uuid4().hex}"
        return _dask().delayed(call, name=key + "-function")(**kwargs, dask_key_name=key)

    def resolve_outputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Computes the requested values."""
        delayed = _dask().delayed(base.DictResult.build_result)(**outputs)
        found: dict[str, Any] = self.client.compute(delayed).result()
        return found

    def build_result(self, **outputs: Any) -> Any:  # type: ignore[override]
        """Builds the result on the workers, or here from Dask collections."""
        if not self.use_delayed:
            built = self.result_builder.build_result(**outputs)
            if not self.compute_at_end:
                return built
            return (
                self.client.gather(self.client.compute(built))
                if _is_lazy(built)
                else (_dask().compute(built)[0])
            )
        combined = _dask().delayed(self.result_builder.build_result)(**outputs)
        if self.visualize_kwargs is not None:
            combined.visualize(**self.visualize_kwargs)
        if not self.compute_at_end:
            return combined
        return self.client.compute(combined).result()

    def input_types(self) -> list[type]:
        """Returns what the given builder takes."""
        answer = getattr(self.result_builder, "input_types", None)
        return [Any] if answer is None else answer()

    def output_type(self) -> type:
        """Returns what the given builder makes."""
        answer = getattr(self.result_builder, "output_type", None)
        return Any if answer is None else answer()


def _is_lazy(value: Any) -> bool:
    return hasattr(value, "__dask_graph__")


class DaskDataFrameResult(base.ResultMixin):
    """Builds one Dask DataFrame; takes Dask and pandas series and frames, and scalars."""

    @staticmethod
    def build_result(**outputs: Any) -> Any:
        """Returns a Dask DataFrame with a column for each output; frames bring their columns.

        Raises:
            ValueError: There is nothing, or only scalars, to make a frame of.
        """
        _dask()
        import dask.dataframe as dd
        import pandas as pd

        columns: dict[str, Any] = {}
        for name, value in outputs.items():
            if isinstance(value, (pd.DataFrame, dd.DataFrame)):
                found = {str(c): value[c] for c in value.columns}
                clash = sorted(found.keys() & columns.keys())
                if clash:
                    raise ValueError(f"Frame {name!r} brings columns that are there: {clash}.")
                columns.update(found)
            else:
                columns[name] = value
        vectors = {n: v for n, v in columns.items() if isinstance(v, (pd.Series, dd.Series))}
        if not vectors:
            raise ValueError(
                f"A dataframe needs a series or a frame among the outputs; found {sorted(outputs)}."
            )
        lazy = [v for v in vectors.values() if isinstance(v, dd.Series)]
        parts = lazy[0].npartitions if lazy else 1
        first_name, first = next(iter(vectors.items()))
        frame = _as_dask(first, parts).to_frame(name=first_name)
        for name, value in columns.items():
            if name != first_name:
                column = _as_dask(value, parts) if name in vectors else value
                frame = frame.assign(**{name: column})
        return frame[list(columns)]

    def output_type(self) -> type:
        """Returns the Dask DataFrame type."""
        _dask()
        import dask.dataframe as dd

        return dd.DataFrame


def _as_dask(value: Any, parts: int) -> Any:
    import dask.dataframe
    import pandas as pd

    dd: Any = dask.dataframe  # untyped
    return dd.from_pandas(value, npartitions=parts) if isinstance(value, pd.Series) else value


class _DaskFuture(TaskFutureWrappingPythonFuture):
    """A task on a Dask cluster."""

    def get_state(self) -> TaskState:
        if not self.future.done():
            return TaskState.RUNNING
        status = getattr(self.future, "status", "")
        return TaskState.SUCCESSFUL if status == "finished" else TaskState.FAILED

    def when_done(self, tell: Callable[[], None]) -> bool:
        self.future.add_done_callback(lambda _: tell())
        return True


class DaskExecutor(TaskExecutor):
    """Runs the tasks of parallel blocks on a Dask cluster.

    Args:
        client: A ``distributed.Client``; it is left open.
    """

    def __init__(self, *, client: Any) -> None:
        self.client = client

    def init(self) -> None:
        """Does nothing: the client is connected."""

    def finalize(self) -> None:
        """Does nothing: the client belongs to the caller."""

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Starts a task."""
        return _DaskFuture(self.client.submit(run_packed, pack_task(task), pure=False))

    def can_submit_task(self) -> bool:
        """Returns True: Dask queues what it cannot run yet."""
        return True
