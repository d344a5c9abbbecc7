"""An execution as a Workflow Run RO-Crate: what ran, with what, by whom, and what it made.

An execution of a script is a Process Run Crate. One that recorded its dataflow (see `dataflow`)
is a Provenance Run Crate as well, with an action for each function that ran.

Source: Workflow Run RO-Crate profiles 0.5 (Process, Workflow and Provenance Run Crate).
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deriva_catalog.objects import encode_part, hash_file
from deriva_ml.core.enums import ExecMetadataType
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.core.query import entities, equals
from deriva_ml.experiment.measurements import latest

from .entities import (
    TERMS,
    add_agent,
    add_code,
    add_dataset,
    add_license,
    add_value,
    file_properties,
)
from .facts import FeatureFact, FileFact, RunFacts, gather, read_files
from .flow_crate import FLOW_PROFILES, FLOW_TERMS, WORKFLOW_CRATE, add_flows
from .identifiers import address, iso_time
from .json_ld import METADATA_FILE, Crate, Reference, json_bytes, path_id
from .packages import link_or_copy, new_package

if TYPE_CHECKING:
    from deriva_ml.execution.run import Surroundings

__all__ = ["RunFiles", "export_ro_crate"]

RunFiles = Literal["all", "outputs", "none"]
"""Whose files are in the crate: inputs and outputs, outputs only, or neither."""

PROCESS_PROFILE = ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5")
COMPLETED = "http://schema.org/CompletedActionStatus"
FAILED = "http://schema.org/FailedActionStatus"
ACTIVE = "http://schema.org/ActiveActionStatus"
POTENTIAL = "http://schema.org/PotentialActionStatus"

_T = ExecMetadataType
_CONFIGURATION = frozenset({_T.deriva_config.value, _T.hydra_config.value})


def export_ro_crate(
    around: Surroundings,
    execution_rid: str,
    destination: str | Path,
    *,
    files: RunFiles = "outputs",
    license: str | None = None,
) -> Path:
    """Write an execution as a Workflow Run RO-Crate, and return where it is.

    The files that describe the execution are always in it, the run lock of a filed run among them.
    Input datasets are referred to, at the versions that were read. Equal facts give equal bytes.

    Args:
        around: The catalog's collaborators.
        execution_rid: RID of the execution.
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        files: Which files are copied; the others are referred to, with size and digests.
        license: SPDX identifier or URL of the license of what the execution made.

    Raises:
        DerivaMLNotFoundError: There is no such execution, or a file of it is lost.
        DerivaMLValidationError: `destination` exists, or `files` is none of the choices.
        DerivaMLUnavailableError: A file cannot be reached, or `destination` cannot be written.
    """
    if files not in ("all", "outputs", "none"):
        raise DerivaMLValidationError(f"files is {files!r}; it can be 'all', 'outputs' or 'none'.")
    place = Path(destination)
    with (
        new_package(place, f"writing the RO-Crate {str(place)!r}") as folder,
        tempfile.TemporaryDirectory(prefix="deriva-ml-") as scratch,
    ):
        facts = gather(around, execution_rid, Path(scratch))
        _Writer(around, facts, folder, Path(scratch), files).write(license)
    return place


class _Writer:
    """Writes the crate of one execution into a folder."""

    def __init__(
        self, around: Surroundings, facts: RunFacts, folder: Path, scratch: Path, files: RunFiles
    ) -> None:
        self.session = around.session
        self.facts = facts
        self.folder = folder
        self.scratch = scratch
        self.files = files
        flow = bool(facts.dataflows)
        self.crate = Crate(
            "1.1", {**TERMS, **(FLOW_TERMS if flow else _SHA256)}, WORKFLOW_CRATE if flow else ()
        )

    def write(self, license: str | None) -> None:
        facts, crate = self.facts, self.crate
        agent = add_agent(crate, facts.agent)
        about = {f.rid: self._file(f, "metadata", here=True) for f in facts.about}
        code = None
        if facts.workflow is not None:
            code = add_code(crate, self.session, facts.workflow)
        inputs = list(self._inputs(about))
        for name, value in facts.parameters.items():
            inputs.append(add_value(crate, f"#parameter/{path_id(name)}", name, value))
        action = crate.add(
            address(self.session, facts.rid),
            "CreateAction",
            name=f"Execution {facts.rid}",
            description=self._description(),
            agent=agent,
            instrument=code or self._nothing_known(),
            startTime=iso_time(facts.start),
            endTime=iso_time(facts.stop),
            actionStatus=_status(facts),
            error=facts.error,
            object=inputs,
            result=list(self._results(about)),
            subjectOf=[about[f.rid] for f in facts.about if not _has_part(f)],
        )
        profiles = [PROCESS_PROFILE]
        mentions, main = [action], None
        if facts.dataflows:
            paths = {f.rid: about[f.rid]["@id"] for f in facts.about}
            flows = add_flows(crate, facts, paths, code, agent)
            crate.extend(action["@id"], instrument=flows.main, object=[*inputs, *flows.given])
            main, profiles = flows.main, [PROCESS_PROFILE, *FLOW_PROFILES]
            mentions += flows.mentions
            for ran in flows.organized:
                crate.extend(ran["@id"], result=action)
        document = crate.document(
            name=f"Execution {facts.rid}",
            description=facts.row["Description"] or f"Execution {facts.rid}.",
            identifier=address(self.session, facts.rid),
            datePublished=iso_time(facts.stop or facts.created),
            license=add_license(crate, license),
            creator=agent,
            author=agent,
            conformsTo=[
                crate.add(uri, "CreativeWork", name=name, version=version)
                for uri, name, version in profiles
            ],
            mainEntity=main,
            mentions=mentions,
        )
        (self.folder / METADATA_FILE).write_bytes(json_bytes(document))

    def _description(self) -> str:
        command = " ".join(self.facts.command)
        about = self.facts.row["Description"] or ""
        return "\n\n".join(part for part in (about, command and f"Command: {command}") if part)

    def _nothing_known(self) -> Reference:
        # The profile needs an instrument, also of an execution without a workflow.
        return self.crate.add("#unknown-code", "SoftwareApplication", name="Unknown code")

    # --- what went in and came out ---------------------------------------------------

    def _inputs(self, about: dict[str, Reference]) -> Iterator[Reference]:
        for dataset in self.facts.datasets_read:
            yield add_dataset(self.crate, self.session, dataset)
        yield from (self._file(f, "inputs", here=self.files == "all") for f in self._read())
        yield from (about[f.rid] for f in self.facts.about if _CONFIGURATION & set(f.types))

    def _results(self, about: dict[str, Reference]) -> Iterator[Reference]:
        yield from (self._file(f, "outputs", here=self.files != "none") for f in self._made())
        yield from (add_dataset(self.crate, self.session, d) for d in self.facts.datasets_made)
        yield from (self._feature(feature) for feature in self.facts.features)
        yield from (about[f.rid] for f in self.facts.about if _T.metrics_file in f.types)
        for name, metric in latest(self.facts.metrics).items():
            yield add_value(self.crate, f"#metric/{path_id(name)}", name, metric.value)

    def _read(self) -> Iterable[FileFact]:
        files = self.facts.files_read
        return read_files(self.session, files, self.scratch) if self.files == "all" else files

    def _made(self) -> Iterable[FileFact]:
        files = self.facts.files_made
        return read_files(self.session, files, self.scratch) if self.files != "none" else files

    # --- files -----------------------------------------------------------------------

    def _file(self, file: FileFact, place: str, *, here: bool) -> Reference:
        """A file, put into the crate or referred to."""
        digests = {"md5": file.row["MD5"], "sha256": file.sha256}
        properties = file_properties(file.name, file.row["Length"], digests)
        kinds = sorted({*file.types} - {"Input_File", "Output_File"})
        properties |= {
            "description": file.row["Description"] or f"Asset {file.rid} of {file.table.name}.",
            "identifier": address(self.session, file.rid),
            "keywords": kinds,
        }
        if not here or file.path is None:
            return self.crate.add_part(address(self.session, file.rid), "File", **properties)
        path = f"{place}/{_part(file.table.name)}/{file.rid}/{file.name}"
        if place == "metadata":
            path = f"{place}/{file.rid}/{file.name}"
        link_or_copy(file.path, self.folder / path)
        if file.sha256 is None:
            properties["sha256"] = hash_file(file.path).sha256
        return self.crate.add_part(path_id(path), "File", **properties)

    def _feature(self, feature: FeatureFact) -> Reference:
        """The values of a feature that the execution made, as a table."""
        target = feature.target
        path = "/".join(map(_part, (target.schema, target.name, feature.name)))
        path = f"features/{path}.csv"
        table = feature.table
        mine = equals("Execution", self.facts.rid)
        rows = self.session.fetch(entities(table, mine, sort=("RID",)))
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, [c.name for c in table.columns], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        content = hash_file(file)
        digests = {"md5": content.md5, "sha256": content.sha256}
        return self.crate.add_part(
            path_id(path),
            "File",
            **file_properties(f"{feature.name}.csv", content.length, digests),
            description=f"{feature.count} values of feature {feature.name!r} of {target.name!r}.",
        )


_SHA256 = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}


def _part(name: str) -> str:
    """A name of the model as one part of a path, which leads nowhere else."""
    quoted = encode_part(name)
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def _has_part(file: FileFact) -> bool:
    """Whether a file that describes the run is among its inputs or results."""
    return bool(set(file.types) & {*_CONFIGURATION, _T.metrics_file.value})


def _status(facts: RunFacts) -> str:
    if facts.failed:
        return FAILED
    if facts.ended:
        return COMPLETED
    return ACTIVE if facts.start is not None else POTENTIAL
