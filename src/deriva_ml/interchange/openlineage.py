"""Executions as OpenLineage tells of runs: a START event, and how it ended.

They may be sent again at any time (see `openlineage_transport`): an execution has one run id for
ever.

Source: OpenLineage specification 2-0-2, object model and standard facets.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.query import any_of, entities
from deriva_ml.experiment.measurements import latest, shown

from .entities import source_location
from .facts import DatasetFact, FeatureFact, FileFact, RunFacts, gather
from .identifiers import address, iso_time, moment, namespace, run_uuid

if TYPE_CHECKING:
    from deriva_catalog.interface import Row
    from deriva_ml.core.session import Session
    from deriva_ml.execution.run import Surroundings

    from .dataflow import Dataflow, NodeRun
    from .openlineage_transport import Event

__all__ = ["execution_events", "run_events"]

_PRODUCER = "urn:derivaml:deriva_ml:"
_EVENT_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_OUR_SCHEMA = "tag:deriva-ml.org,2026:openlineage/1-0-0/DerivaMLExecutionRunFacet.json"

_ENDINGS = {ExecutionStatus.Failed: "FAIL", ExecutionStatus.Aborted: "ABORT"}


# --- events ------------------------------------------------------------------------------


def execution_events(
    around: Surroundings, execution_rid: str, *, children: bool = False
) -> list[Event]:
    """What OpenLineage is told of an execution, as the catalog knows it now.

    Args:
        around: The catalog's collaborators.
        execution_rid: RID of the execution.
        children: Tell of each function of its dataflows as a run of its own, too.

    Raises:
        DerivaMLNotFoundError: There is no such execution.
    """
    with tempfile.TemporaryDirectory(prefix="deriva-ml-") as scratch:
        facts = gather(around, execution_rid, Path(scratch))
    return run_events(around.session, facts, children=children)


def run_events(session: Session, facts: RunFacts, *, children: bool = False) -> list[Event]:
    """The events of an execution: none before it began, START, and COMPLETE, FAIL or ABORT."""
    if facts.start is None and not facts.ended:
        return []
    return list(_Teller(session, facts).events(children))


class _Teller:
    """Tells of one execution."""

    def __init__(self, session: Session, facts: RunFacts) -> None:
        from deriva_ml import __version__

        self.session = session
        self.facts = facts
        self.namespace = namespace(session)
        self.producer = f"{_PRODUCER}{__version__}"
        self.version = __version__
        self.run_id = run_uuid(session, facts.rid, facts.created)
        self.job = _job_name(facts.workflow.name if facts.workflow else None, facts.rid)

    def events(self, children: bool) -> Iterator[Event]:
        facts = self.facts
        began = facts.start or facts.created
        job = {"namespace": self.namespace, "name": self.job, "facets": self._job_facets()}
        inputs = [self._dataset(d) for d in facts.datasets_read]
        inputs += [self._file(f) for f in facts.files_read]
        facets = self._run_facets()
        run = {"runId": self.run_id, "facets": facets}
        yield self._event("START", began, run, job, inputs, [])
        if children:
            for flow in facts.dataflows:
                yield from self._flow(flow)
        if not facts.ended:
            return
        ending = _ENDINGS.get(facts.status, "COMPLETE")
        if facts.error is not None:
            run = {
                "runId": self.run_id,
                "facets": {**facets, "errorMessage": self._error(facts.error)},
            }
        stopped = facts.stop or moment(facts.row["RMT"])
        yield self._event(ending, stopped, run, job, inputs, list(self._outputs()))

    def _event(
        self,
        kind: str,
        when: datetime | None,
        run: Mapping[str, Any],
        job: Mapping[str, Any],
        inputs: list[dict[str, Any]],
        outputs: list[dict[str, Any]],
    ) -> Event:
        return {
            "eventType": kind,
            "eventTime": iso_time(when),
            "producer": self.producer,
            "schemaURL": _EVENT_SCHEMA,
            "run": dict(run),
            "job": dict(job),
            "inputs": inputs,
            "outputs": outputs,
        }

    def _facet(self, version: str, name: str, /, **content: Any) -> dict[str, Any]:
        """A standard facet; what has no value is left out."""
        return {
            "_producer": self.producer,
            "_schemaURL": f"{_FACETS}/{version}/{name}.json#/$defs/{name}",
            **{key: value for key, value in content.items() if value is not None},
        }

    # --- the run ---------------------------------------------------------------------

    def _run_facets(self) -> dict[str, Any]:
        facts = self.facts
        found: dict[str, Any] = {"derivaml_execution": self._own()}
        if facts.start is not None:
            found["nominalTime"] = self._facet(
                "1-0-1",
                "NominalTimeRunFacet",
                nominalStartTime=iso_time(facts.start),
                nominalEndTime=iso_time(facts.stop),
            )
        if parent := self._parent():
            found["parent"] = parent
        python = (facts.environment.get("python") or {}).get("version")
        if python:
            found["processing_engine"] = self._facet(
                "1-1-1",
                "ProcessingEngineRunFacet",
                name="Python",
                version=str(python).partition(" ")[0],
                openlineageAdapterVersion=self.version,
            )
        if variables := facts.environment.get("variables"):
            found["environmentVariables"] = self._facet(
                "1-0-0",
                "EnvironmentVariablesRunFacet",
                environmentVariables=[
                    {"name": name, "value": str(value)} for name, value in sorted(variables.items())
                ],
            )
        if facts.all_parameters:
            found["executionParameters"] = self._facet(
                "1-0-0",
                "ExecutionParametersRunFacet",
                parameters=[
                    {"key": name, "value": shown(value)}
                    for name, value in facts.all_parameters.items()
                ],
            )
        return found

    def _own(self) -> dict[str, Any]:
        """What only DerivaML knows of: `docs/ml/DerivaMLExecutionRunFacet.json` describes it."""
        facts = self.facts
        content = {
            "rid": facts.rid,
            "uri": address(self.session, facts.rid),
            "status": facts.status.value,
            "description": facts.row["Description"],
            "command": list(facts.command) or None,
            "metrics": [
                {"name": m.name, "value": shown(m.value), "step": m.step}
                if m.step is not None
                else {"name": m.name, "value": shown(m.value)}
                for m in latest(facts.metrics).values()
            ]
            or None,
        }
        return {
            "_producer": self.producer,
            "_schemaURL": f"{_OUR_SCHEMA}#/$defs/DerivaMLExecutionRunFacet",
            **{key: value for key, value in content.items() if value},
        }

    def _parent(self) -> dict[str, Any] | None:
        if not self.facts.parents:
            return None
        known = {row["RID"]: row for row in self._runs(self.facts.parents)}
        names = self._workflow_names(known.values())

        def of(rid: str) -> dict[str, Any]:
            row = known[rid]
            return {
                "run": {"runId": run_uuid(self.session, rid, moment(row["RCT"]))},
                "job": {
                    "namespace": self.namespace,
                    "name": _job_name(names.get(row["Workflow"]), rid),
                },
            }

        parents = [rid for rid in self.facts.parents if rid in known]
        if not parents:
            return None
        return self._facet("1-2-0", "ParentRunFacet", **of(parents[0]), root=of(parents[-1]))

    def _runs(self, rids: Iterable[str]) -> list[Row]:
        return self.session.fetch(entities(self.session.ml("Execution"), any_of("RID", rids)))

    def _workflow_names(self, runs: Iterable[Row]) -> dict[str, str]:
        wanted = {row["Workflow"] for row in runs} - {None}
        if not wanted:
            return {}
        query = entities(self.session.ml("Workflow"), any_of("RID", sorted(wanted)))
        return {row["RID"]: row["Name"] for row in self.session.fetch(query)}

    def _error(self, text: str) -> dict[str, Any]:
        return self._facet(
            "1-0-1", "ErrorMessageRunFacet", message=text, programmingLanguage="PYTHON"
        )

    # --- the job ---------------------------------------------------------------------

    def _job_facets(self) -> dict[str, Any]:
        workflow, agent = self.facts.workflow, self.facts.agent
        found: dict[str, Any] = {"jobType": self._job_type("EXECUTION")}
        if workflow is not None and workflow.description:
            found["documentation"] = self._facet(
                "1-1-0",
                "DocumentationJobFacet",
                description=workflow.description,
                contentType="text/markdown",
            )
        if workflow is not None and workflow.url:
            repository, commit, path = source_location(workflow.url)
            found["sourceCodeLocation"] = self._facet(
                "1-1-0",
                "SourceCodeLocationJobFacet",
                type="git" if commit else "file",
                url=workflow.url,
                repoUrl=repository,
                path=path,
                version=commit or workflow.checksum,
            )
        if agent is not None:
            owner = {"name": f"user:{agent.name or agent.identifier}", "type": "OWNER"}
            found["ownership"] = self._facet("1-0-1", "OwnershipJobFacet", owners=[owner])
        return found

    def _job_type(self, kind: str) -> dict[str, Any]:
        return self._facet(
            "2-0-4",
            "JobTypeJobFacet",
            processingType="BATCH",
            integration="DERIVA_ML",
            jobType=kind,
        )

    # --- data ------------------------------------------------------------------------

    def _outputs(self) -> Iterator[dict[str, Any]]:
        for dataset in self.facts.datasets_made:
            yield self._dataset(dataset)
        for file in self.facts.files_made:
            size = int(file.row["Length"])
            yield self._file(file) | {"outputFacets": self._statistics(size=size, fileCount=1)}
        for feature in self.facts.features:
            yield self._feature(feature)

    def _statistics(self, **counts: int) -> dict[str, Any]:
        facet = self._facet("1-0-2", "OutputStatisticsOutputDatasetFacet", **counts)
        return {"outputStatistics": facet}

    def _dataset(self, dataset: DatasetFact) -> dict[str, Any]:
        facets = {
            "datasetType": self._facet(
                "1-0-1",
                "DatasetTypeDatasetFacet",
                datasetType="DATASET",
                subType=", ".join(sorted(dataset.types)) or None,
            )
        }
        if dataset.version:
            facets["version"] = self._facet(
                "1-0-1", "DatasetVersionDatasetFacet", datasetVersion=dataset.version
            )
        if dataset.description:
            facets["documentation"] = self._facet(
                "1-1-0", "DocumentationDatasetFacet", description=dataset.description
            )
        return self._named(f"Dataset/{dataset.rid}", facets)

    def _file(self, file: FileFact) -> dict[str, Any]:
        identifier = {"namespace": self.namespace, "name": str(file.row["URL"]), "type": "FILE"}
        facets = {
            "datasetType": self._facet(
                "1-0-1",
                "DatasetTypeDatasetFacet",
                datasetType="FILE",
                subType=", ".join(sorted(file.types)) or None,
            ),
            "version": self._facet(
                "1-0-1",
                "DatasetVersionDatasetFacet",
                datasetVersion=f"sha256:{file.sha256}" if file.sha256 else f"md5:{file.row['MD5']}",
            ),
            "symlinks": self._facet("1-0-1", "SymlinksDatasetFacet", identifiers=[identifier]),
        }
        if file.row["Description"]:
            facets["documentation"] = self._facet(
                "1-1-0", "DocumentationDatasetFacet", description=file.row["Description"]
            )
        return self._named(f"{file.table.schema}/{file.table.name}/{file.rid}/{file.name}", facets)

    def _feature(self, feature: FeatureFact) -> dict[str, Any]:
        table, target = feature.table, feature.target
        fields = [
            {"name": c.name, "type": c.type.typename, "description": c.comment}
            if c.comment
            else {"name": c.name, "type": c.type.typename}
            for c in table.columns
        ]
        origin = {
            "namespace": self.namespace,
            "name": f"{target.schema}/{target.name}",
            "field": "RID",
            "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
        }
        facets = {
            "datasetType": self._facet(
                "1-0-1", "DatasetTypeDatasetFacet", datasetType="TABLE", subType="FEATURE"
            ),
            "schema": self._facet("1-2-0", "SchemaDatasetFacet", fields=fields),
            "columnLineage": self._facet(
                "1-2-0",
                "ColumnLineageDatasetFacet",
                fields={target.name: {"inputFields": [origin]}},
            ),
        }
        made = self._named(f"{table.schema}/{table.name}", facets)
        return made | {"outputFacets": self._statistics(rowCount=feature.count)}

    def _named(self, name: str, facets: dict[str, Any]) -> dict[str, Any]:
        return {"namespace": self.namespace, "name": name, "facets": facets}

    # --- functions of dataflows ------------------------------------------------------

    def _flow(self, flow: Dataflow) -> Iterator[Event]:
        parent = self._facet(
            "1-2-0",
            "ParentRunFacet",
            run={"runId": self.run_id},
            job={"namespace": self.namespace, "name": self.job},
        )
        for number, run in enumerate(flow.runs):
            yield from self._node(flow, number, run, parent)

    def _node(
        self, flow: Dataflow, number: int, run: NodeRun, parent: dict[str, Any]
    ) -> Iterator[Event]:
        node = flow.nodes.get(run.name)
        facets: dict[str, Any] = {"jobType": self._job_type("FUNCTION")}
        if node is not None and node.documentation:
            facets["documentation"] = self._facet(
                "1-1-0", "DocumentationJobFacet", description=node.documentation
            )
        if node is not None and node.source:
            facets["sourceCode"] = self._facet(
                "1-0-1", "SourceCodeJobFacet", language="PYTHON", sourceCode=node.source
            )
        job = {"namespace": self.namespace, "name": f"{self.job}.{run.name}", "facets": facets}
        run_id = str(uuid.uuid5(uuid.UUID(self.run_id), f"{flow.run_id}/{number}"))
        begun = {"runId": run_id, "facets": {"parent": parent}}
        yield self._event("START", run.started, begun, job, [], [])
        ended: dict[str, Any] = {"runId": run_id, "facets": {"parent": parent}}
        if run.error is not None:
            ended["facets"]["errorMessage"] = self._error(run.error)
        kind = "COMPLETE" if run.error is None else "FAIL"
        yield self._event(kind, run.ended, ended, job, [], [])


def _job_name(workflow: str | None, execution_rid: str) -> str:
    return quote(workflow, safe=" /._-") if workflow else f"execution-{execution_rid}"
