"""Catalogs full of executions that read and make things, for tests of lineage."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from deriva_catalog.interface import Catalog
from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML

ML = "deriva-ml"
Thing = tuple[str, str | None]
"""An asset (RID, None), or a version of a dataset (RID, RID of the version)."""


@dataclass
class World:
    """What each execution read and made, as it was written into the catalog."""

    executions: list[str]
    assets: list[str]
    versions: dict[Thing, str] = field(default_factory=dict)
    reads: dict[str, set[Thing]] = field(default_factory=dict)
    makes: dict[str, set[Thing]] = field(default_factory=dict)

    def makers(self, thing: Thing) -> set[str]:
        return {e for e, made in self.makes.items() if thing in made}

    def readers(self, thing: Thing) -> set[str]:
        return {e for e, read in self.reads.items() if thing in read}

    def before(self, execution: str) -> set[str]:
        return {m for thing in self.reads.get(execution, ()) for m in self.makers(thing)}

    def after(self, execution: str) -> set[str]:
        return {r for thing in self.makes.get(execution, ()) for r in self.readers(thing)}

    def reached(self, starts: Iterable[str], *, forward: bool) -> dict[str, int]:
        """How many steps each execution is away, found one at a time."""
        steps: dict[str, int] = dict.fromkeys(starts, 0)
        waiting = list(steps)
        while waiting:
            execution = waiting.pop(0)
            for other in self.after(execution) if forward else self.before(execution):
                if other not in steps:
                    steps[other] = steps[execution] + 1
                    waiting.append(other)
        return steps

    def has_cycle(self, within: Iterable[str]) -> bool:
        """Whether executions among `within` come from themselves."""
        left = set(within)
        while left:
            first = {e for e in left if not self.before(e) & left}
            if not first:
                return True
            left -= first
        return False


def insert(ml: DerivaML, table: str, rows: list[dict[str, Any]], schema: str = ML) -> list[str]:
    made = ml.catalog.insert(TableName(table, schema), rows) if rows else []
    return [row["RID"] for row in made]


def insert_executions(ml: DerivaML, count: int, description: str = "run") -> list[str]:
    code = {"Name": "train.py", "URL": "https://example.org/w.py", "Checksum": "c"}
    (workflow,) = insert(ml, "Workflow", [code])
    rows = [
        {"Workflow": workflow, "Description": f"{description} {n}", "Status": "Uploaded"}
        for n in range(count)
    ]
    return insert(ml, "Execution", rows)


def insert_images(ml: DerivaML, count: int, prefix: str = "i") -> list[str]:
    rows = [
        {"URL": f"tag:{prefix}{n}", "Filename": f"{n}.png", "Length": n, "MD5": f"{n:032x}"}
        for n in range(count)
    ]
    return insert(ml, "Image", rows, "zoo")


def make_world(ml: DerivaML, seed: int, *, size: int = 12, acyclic: bool = True) -> World:
    """Write a random world into the catalog."""
    rng = random.Random(seed)
    with ml.catalog.transaction():
        world = World(insert_executions(ml, size), insert_images(ml, size, f"w{seed}-"))
        datasets = insert(ml, "Dataset", [{"Description": f"d{n}"} for n in range(size // 3)])
        things: list[Thing] = [(asset, None) for asset in world.assets]
        labels = ["0.1.0", "0.2.0", "0.10.0"]
        position: dict[Thing, int] = {}
        rows = []
        for dataset in datasets:
            for label, maker in zip(labels, sorted(rng.sample(range(size), 3)), strict=True):
                execution = world.executions[maker]
                rows.append({"Dataset": dataset, "Version": label, "Execution": execution})
        for row, rid in zip(rows, insert(ml, "Dataset_Version", rows), strict=True):
            thing = (row["Dataset"], rid)
            world.versions[thing] = row["Version"]
            world.makes.setdefault(row["Execution"], set()).add(thing)
            position[thing] = world.executions.index(row["Execution"])
            things.append(thing)
        _link_outputs(ml, rng, world, position)
        _link_inputs(ml, rng, world, things, position if acyclic else {})
    return world


def _link_outputs(
    ml: DerivaML, rng: random.Random, world: World, position: dict[Thing, int]
) -> None:
    """Let some assets be made by one execution, some by two, some by none."""
    rows = []
    for asset in world.assets:
        for maker in rng.sample(world.executions, rng.choice([0, 1, 1, 2])):
            rows.append({"Image": asset, "Execution": maker, "Asset_Role": "Output"})
            world.makes.setdefault(maker, set()).add((asset, None))
            last = max(position.get((asset, None), 0), world.executions.index(maker))
            position[asset, None] = last
    insert(ml, "Image_Execution", rows, "zoo")


def _link_inputs(
    ml: DerivaML,
    rng: random.Random,
    world: World,
    things: list[Thing],
    position: dict[Thing, int],
) -> None:
    datasets, assets = [], []
    for number, execution in enumerate(world.executions):
        for thing in rng.sample(things, rng.randint(0, 3)):
            made = position.get(thing, -1)
            touched = world.reads.get(execution, set()) | world.makes.get(execution, set())
            known = {rid for rid, _ in touched}
            if made >= number or thing[0] in known:
                continue
            world.reads.setdefault(execution, set()).add(thing)
            if thing[1] is None:
                assets.append({"Image": thing[0], "Execution": execution, "Asset_Role": "Input"})
            else:
                row = {"Dataset": thing[0], "Execution": execution, "Dataset_Version": thing[1]}
                datasets.append(row)
    insert(ml, "Image_Execution", assets, "zoo")
    insert(ml, "Dataset_Execution", datasets)


class Counting:
    """A catalog that counts the questions it is asked, and passes them on."""

    def __init__(self, catalog: Catalog) -> None:
        self.inner = catalog
        self.questions = 0

    def fetch(self, query: Any) -> Any:
        self.questions += 1
        return self.inner.fetch(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def chain(ml: DerivaML, length: int) -> Iterator[str]:
    """Executions each of which read what the one before it made; their last output is last."""
    executions = insert_executions(ml, length)
    images = insert_images(ml, length, "chain")
    links = []
    for number, execution in enumerate(executions):
        links.append({"Image": images[number], "Execution": execution, "Asset_Role": "Output"})
        if number:
            read = images[number - 1]
            links.append({"Image": read, "Execution": execution, "Asset_Role": "Input"})
    insert(ml, "Image_Execution", links, "zoo")
    yield from (*executions, images[-1])
