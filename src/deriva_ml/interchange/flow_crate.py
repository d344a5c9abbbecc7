"""The part of an execution's crate that tells of its dataflow: functions, steps, actions.

Source: Workflow Run Crate 0.5 and Provenance Run Crate 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hamilton.version import VERSION

from .entities import add_value
from .identifiers import iso_time
from .json_ld import Crate, Reference, path_id

if TYPE_CHECKING:
    from .dataflow import Dataflow, FlowNode, NodeRun
    from .facts import RunFacts

__all__ = ["FLOW_PROFILES", "FLOW_TERMS", "WORKFLOW_CRATE", "Flows", "add_flows"]

_WFRUN = "https://w3id.org/ro/wfrun"
WORKFLOW_CRATE = ("https://w3id.org/workflowhub/workflow-ro-crate/1.0",)
"""What the metadata file of a crate with a workflow conforms to as well."""

FLOW_PROFILES = [
    (f"{_WFRUN}/workflow/0.5", "Workflow Run Crate", "0.5"),
    (f"{_WFRUN}/provenance/0.5", "Provenance Run Crate", "0.5"),
    (WORKFLOW_CRATE[0], "Workflow RO-Crate", "1.0"),
]
"""URI, name and version of the profiles that such a crate conforms to."""

_VOCABULARY = "https://w3id.org/ro/terms/workflow-run#"
FLOW_TERMS = {
    name: _VOCABULARY + name
    for name in (
        "ParameterConnection",
        "connection",
        "sha256",
        "sourceParameter",
        "targetParameter",
    )
}
"""Terms of the profiles' own vocabulary."""

_COMPLETED = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"
_BIOSCHEMAS = "https://bioschemas.org/profiles/"
_WORKFLOW_PROFILE = f"{_BIOSCHEMAS}ComputationalWorkflow/1.0-RELEASE"
_PARAMETER_PROFILE = f"{_BIOSCHEMAS}FormalParameter/1.0-RELEASE"
_VERSION = ".".join(map(str, VERSION))
_TYPES = {"int": "Integer", "float": "Float", "str": "Text", "bool": "Boolean"}


@dataclass(frozen=True, slots=True)
class Flows:
    """The dataflows of a crate.

    Attributes:
        main: The first one, which is the execution's instrument.
        given: What the first one was given.
        organized: What set off the first one's functions.
        mentions: The actions that the crate mentions.
    """

    main: Reference
    given: list[Reference]
    organized: list[Reference]
    mentions: list[Reference]


def add_flows(
    crate: Crate,
    facts: RunFacts,
    paths: Mapping[str, str],
    code: Reference | None,
    agent: Reference | None,
) -> Flows:
    """Add the dataflows of an execution.

    The first is the crate's main workflow, and the execution itself is its run; the others have
    an action of their own.

    Args:
        crate: The crate.
        facts: The execution, which ran at least one dataflow.
        paths: The identifiers of the files that describe it, by RID.
        code: The code that ran the dataflows.
        agent: Who ran it.
    """
    engine = crate.add(
        "#hamilton",
        "SoftwareApplication",
        name="hamilton",
        description="Runs dataflows that are made of Python functions.",
        softwareVersion=_VERSION,
    )
    files = {f.path: paths[f.rid] for f in facts.about}
    about = {
        "url": facts.workflow.url if facts.workflow else None,
        "version": (facts.workflow.version or facts.workflow.checksum) if facts.workflow else None,
        "isBasedOn": code,
    }
    parts = [_Part(crate, f, files[f.path], engine, agent) for f in facts.dataflows]
    first, *others = parts
    flows = Flows(first.add_workflow(about), first.add_given(), [], [])
    runs, organized = first.add_runs(None)
    flows.organized.extend(organized)
    flows.mentions.extend([*runs, *organized])
    for part in others:
        part.add_workflow(about)
        ran = part.add_action(facts.rid, part.add_given())
        runs, organized = part.add_runs(ran)
        flows.mentions.extend([ran, *runs, *organized])
    return flows


class _Part:
    """Adds one run of a dataflow to a crate."""

    def __init__(
        self,
        crate: Crate,
        flow: Dataflow,
        file: str,
        engine: Reference,
        agent: Reference | None,
    ) -> None:
        self.crate = crate
        self.flow = flow
        self.file = file
        self.engine = engine
        self.agent = agent
        self.base = f"#flow/{flow.run_id}"
        # What did not run (its value was kept from before, or something failed) is no part.
        self.ran = {run.name for run in flow.runs}
        self.functions = [n for name, n in sorted(flow.nodes.items()) if name in self.ran]

    def _id(self, kind: str, *names: str) -> str:
        return "/".join((self.base, kind, *map(path_id, names)))

    def _ref(self, kind: str, *names: str) -> Reference:
        return {"@id": self._id(kind, *names)}

    # --- what was to be done ---------------------------------------------------------

    def add_workflow(self, about: Mapping[str, Any]) -> Reference:
        """The dataflow: the file that records it, with its functions and steps."""
        crate = self.crate
        language = crate.add(
            "#hamilton-dataflow",
            "ComputerLanguage",
            name="Hamilton dataflow",
            description="Python functions, connected by the names of their parameters.",
            version=_VERSION,
        )
        profile = crate.add(
            _WORKFLOW_PROFILE, "CreativeWork", name="ComputationalWorkflow", version="1.0"
        )
        outputs = [self.flow.nodes[n] for n in self.flow.requested if n in self.flow.nodes]
        crate.extend(
            self.file,
            **{"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]},
            name=f"Dataflow of {', '.join(self.flow.requested)}",
            conformsTo=profile,
            programmingLanguage=language,
            input=[self._parameter("input", node) for node in self._inputs()],
            output=[self._parameter("output", node) for node in outputs],
            hasPart=[self._tool(node) for node in self.functions],
            step=[self._step(node, n) for n, node in enumerate(self.functions, start=1)],
            **about,
        )
        return {"@id": self.file}

    def _inputs(self) -> list[FlowNode]:
        return [node for _, node in sorted(self.flow.nodes.items()) if node.is_input]

    def _parameter(self, kind: str, node: FlowNode, *names: str) -> Reference:
        """A formal parameter: of the dataflow, or an argument or the value of a function."""
        profile = self.crate.add(
            _PARAMETER_PROFILE, "CreativeWork", name="FormalParameter", version="1.0"
        )
        return self.crate.add(
            self._id(kind, *(names or (node.name,))),
            "FormalParameter",
            name=node.name,
            description=node.documentation,
            additionalType=_TYPES.get(node.type, "PropertyValue"),
            conformsTo=profile,
        )

    def _tool(self, node: FlowNode) -> Reference:
        needs = [self.flow.nodes[name] for name in node.needs if name in self.flow.nodes]
        return self.crate.add(
            self._id("function", node.name),
            "SoftwareApplication",
            name=node.name,
            description=node.documentation,
            softwareVersion=node.version,
            text=node.source,
            input=[self._parameter("argument", need, node.name, need.name) for need in needs],
            output=self._parameter("value", node),
        )

    def _step(self, node: FlowNode, position: int) -> Reference:
        return self.crate.add(
            self._id("step", node.name),
            "HowToStep",
            name=node.name,
            position=str(position),
            workExample=self._ref("function", node.name),
            connection=[self._connection(node, name) for name in node.needs if self._source(name)],
        )

    def _source(self, name: str) -> Reference | None:
        """The parameter that a value comes from; None where it was kept from before."""
        if name in self.ran:
            return self._ref("value", name)
        node = self.flow.nodes.get(name)
        return self._ref("input", name) if node is not None and node.is_input else None

    def _connection(self, node: FlowNode, name: str) -> Reference:
        return self.crate.add(
            self._id("connection", node.name, name),
            "ParameterConnection",
            name=f"{name} of {node.name}",
            sourceParameter=self._source(name),
            targetParameter=self._ref("argument", node.name, name),
        )

    # --- what was done ---------------------------------------------------------------

    def add_given(self) -> list[Reference]:
        """The values that the dataflow was given."""
        return [
            add_value(
                self.crate,
                self._id("given", name),
                name,
                value,
                exampleOfWork=self._ref("input", name) if self._is_input(name) else None,
            )
            for name, value in sorted(self.flow.inputs.items())
        ]

    def _is_input(self, name: str) -> bool:
        return name in self.flow.nodes and self.flow.nodes[name].is_input

    def add_action(self, execution_rid: str, given: list[Reference]) -> Reference:
        """The run of the whole dataflow."""
        return self.crate.add(
            self.base,
            "CreateAction",
            name=f"Run {self.flow.run_id} of a dataflow",
            description=f"A dataflow that execution {execution_rid} ran.",
            instrument={"@id": self.file},
            agent=self.agent,
            object=given,
            **_times(self.flow),
        )

    def add_runs(self, whole: Reference | None) -> tuple[list[Reference], list[Reference]]:
        """The runs of functions, and what set them off; `whole` is the run that they made up."""
        runs, controls = [], []
        for number, run in enumerate(self.flow.runs):
            if run.name in self.flow.nodes:
                runs.append(self._run(number, run))
                controls.append(
                    self.crate.add(
                        self._id("control", str(number)),
                        "ControlAction",
                        name=f"Start of {run.name}",
                        instrument=self._ref("step", run.name),
                        object=runs[-1],
                    )
                )
        if not controls:
            return [], []
        organized = self.crate.add(
            self._id("organization"),
            "OrganizeAction",
            name=f"Run {self.flow.run_id} by hamilton",
            instrument=self.engine,
            object=controls,
            result=whole,
            **_times(self.flow),
        )
        return runs, [organized]

    def _run(self, number: int, run: NodeRun) -> Reference:
        needs = self.flow.nodes[run.name].needs
        task = f", task {run.task_id}" if run.task_id else ""
        return self.crate.add(
            self._id("run", str(number)),
            "CreateAction",
            name=f"Run of {run.name}",
            description=f"The function {run.name!r} ran{task}.",
            instrument=self._ref("function", run.name),
            agent=self.agent,
            object=[self._ref("given", name) for name in needs if name in self.flow.inputs],
            **_times(run),
        )


def _times(run: Dataflow | NodeRun) -> dict[str, Any]:
    """When something ran, and how it ended."""
    return {
        "startTime": iso_time(run.started),
        "endTime": iso_time(run.ended),
        "actionStatus": _COMPLETED if run.error is None else _FAILED,
        "error": run.error,
    }
