"""Runs told to OpenLineage."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.base import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
)
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library
from hamilton.version import VERSION

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["OpenLineageAdapter"]

_PRODUCER = "urn:derivaml:hamilton:" + ".".join(map(str, VERSION))


class OpenLineageAdapter(BasePreGraphExecute, BasePostNodeExecute, BasePostGraphExecute):
    """Sends a START event, a RUNNING event for each loader and saver, then COMPLETE or FAIL.

    Facets say the kind of job, its source code, the columns and sizes of the data that loaders
    and savers report, and the error of a failed run.

    Args:
        client: An ``openlineage.client.OpenLineageClient``.
        namespace: The namespace of the job.
        job_name: The name of the job.

    Raises:
        ImportError: openlineage-python is not installed.

    Source: OpenLineage specification, object model and standard facets.
    """

    def __init__(self, client: Any, namespace: str, job_name: str) -> None:
        try:
            import openlineage.client  # noqa: F401
        except ImportError:
            raise missing_library("openlineage", "'derivaml[tracking]'") from None
        self.client = client
        self.namespace = namespace
        self.job_name = job_name
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._facets: dict[str, Any] = {}

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Sends START."""
        from openlineage.client.facet_v2 import job_type_job, source_code_job

        self._inputs, self._outputs = [], []
        self._facets = {
            "jobType": job_type_job.JobTypeJobFacet(
                processingType="BATCH", integration="Hamilton", jobType="DAG", producer=_PRODUCER
            ),
            "sourceCode": source_code_job.SourceCodeJobFacet(
                language="python", sourceCode=_source(graph), producer=_PRODUCER
            ),
        }
        self._send("START", run_id)

    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Sends RUNNING for what a loader read or a saver wrote."""
        if not success:
            return
        tags = node_.tags
        if "hamilton.data_saver" in tags and isinstance(result, Mapping):
            self._outputs.append(self._dataset(node_, result, written=True))
        elif (
            tags.get("hamilton.data_loader.has_metadata")
            and isinstance(result, tuple)
            and len(result) == 2
            and isinstance(result[1], Mapping)
        ):
            self._inputs.append(self._dataset(node_, result[1], written=False))
        else:
            return
        self._send("RUNNING", run_id)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Sends COMPLETE or FAIL."""
        facets = {}
        if error is not None:
            from openlineage.client.facet_v2 import error_message_run

            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=str(error),
                programmingLanguage="python",
                stackTrace="".join(traceback.format_exception(error)),
                producer=_PRODUCER,
            )
        self._send("COMPLETE" if success else "FAIL", run_id, facets)

    def _send(self, state: str, run_id: str, run_facets: dict[str, Any] | None = None) -> None:
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

        self.client.emit(
            RunEvent(
                eventTime=datetime.now(UTC).isoformat(),
                producer=_PRODUCER,
                eventType=RunState[state],
                run=Run(runId=run_id, facets=run_facets or {}),
                job=Job(namespace=self.namespace, name=self.job_name, facets=self._facets),
                inputs=list(self._inputs),
                outputs=list(self._outputs),
            )
        )

    def _dataset(self, node: Node, metadata: Mapping[str, Any], written: bool) -> Any:
        from openlineage.client.event_v2 import InputDataset, OutputDataset
        from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as quality
        from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics
        from openlineage.client.facet_v2 import schema_dataset

        file = metadata.get("file_metadata") or {}
        frame = metadata.get("dataframe_metadata") or {}
        sql = metadata.get("sql_metadata") or {}
        facets: dict[str, Any] = {}
        if frame:
            types = frame.get("datatypes") or [None] * len(frame["column_names"])
            facets["schema"] = schema_dataset.SchemaDatasetFacet(
                fields=[
                    schema_dataset.SchemaDatasetFacetFields(name=str(n), type=str(t))
                    for n, t in zip(frame["column_names"], types, strict=True)
                ],
                producer=_PRODUCER,
            )
        rows, size = frame.get("rows", sql.get("rows")), file.get("size")
        name = file.get("path") or sql.get("table_name") or sql.get("query") or node.name
        namespace = "file" if file else self.namespace
        if written:
            written_facets: dict[str, Any] = {
                "outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(
                    rowCount=rows, size=size, producer=_PRODUCER
                )
            }
            return OutputDataset(
                namespace=namespace, name=str(name), facets=facets, outputFacets=written_facets
            )
        read_facets: dict[str, Any] = {
            "dataQualityMetrics": quality.DataQualityMetricsInputDatasetFacet(
                columnMetrics={}, rowCount=rows, bytes=size, producer=_PRODUCER
            )
        }
        return InputDataset(
            namespace=namespace, name=str(name), facets=facets, inputFacets=read_facets
        )


def _source(graph: FunctionGraph) -> str:
    import inspect

    texts = []
    for module in graph.modules:
        try:
            texts.append(inspect.getsource(module))
        except (OSError, TypeError):
            texts.append(f"# The source of {module.__name__} is not available.")
    return "\n\n".join(texts)
