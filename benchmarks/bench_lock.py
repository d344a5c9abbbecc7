"""Measures run sheets: hashing data and capturing code, beside the tools that do only that.

    python benchmarks/bench_lock.py                        ours beside b3sum, xxhsum and git
    python benchmarks/bench_lock.py --peer                 and beside `dvc`, published `flexlock`
    python benchmarks/bench_lock.py --family small --quick

Every figure of ours is that of a call in a fresh process; the start of the interpreter and the
import are told apart. Peers are installed into a temporary environment of their own, which is
removed afterwards. Both sides run in turn, so that a busy machine disturbs both alike; processor
seconds of the whole process tree stand beside wall seconds, because they move less with the load.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ("small", "large", "repository", "sheet")
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")

OURS = """
import sys, time
began = time.perf_counter(), time.process_time()
from pathlib import Path
from flexlock.data.cache import open_cache
from flexlock.data.tree import hash_path
path, cache, algorithm = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
started = time.perf_counter(), time.process_time()
with open_cache(cache) as opened:
    hashed = hash_path(path, algorithm=algorithm, cache=opened)
ended = time.perf_counter(), time.process_time()
print(ended[0] - started[0], ended[1] - started[1], started[0] - began[0])
"""

CAPTURE = """
import sys, time
from pathlib import Path
from flexlock.code.capture import capture
capture(Path(sys.argv[1]).parent / "warm")
started = time.perf_counter()
capture(Path(sys.argv[1]))
print(time.perf_counter() - started, 0, 0)
"""

SHEET = """
import sys, time, os
os.chdir(sys.argv[1])
began = time.perf_counter()
from flexlock import runlock
started = time.perf_counter()
runlock({"param": 1, "save_dir": "results/one"}, ["."], ["f0.py"])
print(time.perf_counter() - started, 0, started - began)
"""

PEER_HASH = """
import sys, time
from flexlock import hash_data
started = time.perf_counter()
hash_data(sys.argv[1])
print(time.perf_counter() - started, 0, 0)
"""


@dataclass(frozen=True)
class Took:
    """Seconds of one measurement: of the wall, of all processors, and of starting up."""

    wall: float
    cpu: float
    start: float = 0.0


Timed = Callable[[], Took]


def program(*command: str, cwd: Path | None = None, stdin: Path | None = None) -> Timed:
    """Returns what times a whole program."""

    def work() -> Took:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        with stdin.open() if stdin is not None else open(os.devnull) as given:  # noqa: PTH123
            subprocess.run(
                command, cwd=cwd, check=True, stdin=given,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return work


def call(
    code: str, *arguments: str, python: str = sys.executable, path: str | None = None
) -> Timed:
    """Returns what times a call in a fresh process, by the process's own clock."""
    environment = {**os.environ, "PYTHONPATH": path if path is not None else str(ROOT / "src")}

    def work() -> Took:
        command = [python, "-c", code, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return Took(*map(float, done.stdout.split()[-3:]))

    return work


def in_turn(
    sides: dict[str, Timed], rounds: int, prepare: Callable[[str], None]
) -> dict[str, list[Took]]:
    """Measures all sides, one after the other in each round; `prepare` goes before each."""
    found: dict[str, list[Took]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 else list(reversed(sides))
        for name in names:
            prepare(name)
            found[name].append(sides[name]())
    return found


def median(taken: Sequence[Took]) -> Took:
    """Returns the medians."""
    return Took(
        statistics.median(t.wall for t in taken),
        statistics.median(t.cpu for t in taken),
        statistics.median(t.start for t in taken),
    )


def report(
    title: str, found: dict[str, list[Took]], goals: Sequence[tuple[str, str, float]]
) -> None:
    """Prints the medians and the ratios that have a goal."""
    print(f"\n{title}")
    for name, taken in found.items():
        middle, least = median(taken), min(t.wall for t in taken)
        start = f", import {middle.start:.3f}" if middle.start else ""
        cpu = f", cpu {middle.cpu:.3f}" if middle.cpu else ""
        print(f"  {name:34} {middle.wall:8.4f} s (least {least:.4f}{cpu}{start})")
    for ours, beside, goal in goals:
        if ours not in found or beside not in found:
            continue
        pairs = [a.wall / b.wall for a, b in zip(found[ours], found[beside], strict=True)]
        ratio = median(found[ours]).wall / median(found[beside]).wall
        kept = "met" if ratio <= goal else "MISSED"
        spread = f"{min(pairs):.2f} to {max(pairs):.2f}"
        print(f"  {ours} / {beside}: {ratio:.2f} ({spread}); goal {goal:g} {kept}")


# --- hashing --------------------------------------------------------------------------------


def fill(folder: Path, files: int) -> None:
    """Writes small files of 1 to 16 KiB, a hundred in a folder."""
    chooser = random.Random(files)
    for number in range(files):
        inner = folder / f"d{number // 100:03}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"f{number:06}.bin").write_bytes(chooser.randbytes(chooser.randint(1024, 16384)))


def family_small(folder: Path, quick: bool, peers: Peers | None) -> None:
    """Times 10,000 small files: the first time, again, and with one of them changed."""
    data, cache = folder / "data", folder / "cache"
    fill(data, 2_000 if quick else 10_000)
    listing = folder / "list"
    paths = sorted(str(p) for p in data.rglob("*.bin"))
    listing.write_text("\n".join(paths))
    time.sleep(2.1)  # files that changed within two seconds are not trusted

    def prepare(name: str) -> None:
        if "first" in name:
            shutil.rmtree(cache, ignore_errors=True)
        elif "changed" in name:
            with Path(paths[0]).open("ab") as file:
                file.write(b"x")
            time.sleep(2.1)

    sides: dict[str, Timed] = {}
    ours = str(data), str(cache)
    sides["ours, blake3, first"] = call(OURS, *ours, "blake3")
    sides["ours, blake3, again"] = call(OURS, *ours, "blake3")
    sides["ours, xxh3-128, first"] = call(OURS, *ours, "xxh3-128")
    sides |= {
        name: program("xargs", *command, stdin=listing)
        for name, command in (
            ("b3sum", ("-n", "20000", "b3sum")),
            ("xxhsum 128", ("-n", "20000", "xxhsum", "-H128")),
        )
        if shutil.which(command[2])
    }
    sides["find -printf (the scan alone)"] = program("find", str(data), "-printf", "%s %T@ %C@")
    if peers is not None:
        sides["flexlock 0.10, first"] = peers.hashing(data)
        sides["dvc add, first"] = peers.dvc_add(data, folder)
    rounds = 5 if quick else 9
    found = in_turn({n: s for n, s in sides.items() if "again" not in n}, rounds, prepare)
    goals = [
        ("ours, blake3, first", "b3sum", 1.3),
        ("ours, blake3, first", "xxhsum 128", 1.3),
        ("ours, xxh3-128, first", "xxhsum 128", 1.3),
        ("ours, blake3, first", "flexlock 0.10, first", 0.25),
        ("ours, blake3, first", "dvc add, first", 0.25),
    ]
    report(f"{len(paths):,} small files, first", found, goals)
    sides["ours, blake3, first"]()
    again = {n: s for n, s in sides.items() if "first" not in n and "sum" not in n}
    again["ours, one changed"] = sides["ours, blake3, again"]
    if peers is not None:
        again["flexlock 0.10, again"] = peers.hashing(data)
        again["dvc add, again"] = peers.dvc_again(data, folder)
    repeated = in_turn(again, rounds, prepare)
    repeated["ours, blake3, first"] = found["ours, blake3, first"]
    goals = [
        ("ours, blake3, again", "ours, blake3, first", 0.02),
        ("ours, blake3, again", "find -printf (the scan alone)", 2.0),
        ("ours, blake3, again", "flexlock 0.10, again", 0.05),
        ("ours, blake3, again", "dvc add, again", 0.05),
    ]
    report(f"{len(paths):,} small files, again", repeated, goals)


def family_large(folder: Path, quick: bool, peers: Peers | None) -> None:
    """Times one large file, in the page cache: the first time and again."""
    data, cache = folder / "large.bin", folder / "cache"
    with data.open("wb") as file:
        for _ in range(8 if quick else 64):
            file.write(os.urandom(32 << 20))
    time.sleep(2.1)

    def prepare(name: str) -> None:
        if "first" in name:
            shutil.rmtree(cache, ignore_errors=True)

    sides: dict[str, Timed] = {
        f"ours, {a}, first": call(OURS, str(data), str(cache), a)
        for a in ("blake3", "xxh3-128", "sha256")
    }
    for name, command in (
        ("b3sum", ("b3sum",)), ("xxhsum 128", ("xxhsum", "-H128")), ("sha256sum", ("sha256sum",)),
    ):  # fmt: skip
        if shutil.which(command[0]):
            sides[name] = program(*command, str(data))
    if peers is not None:
        sides["flexlock 0.10, first"] = peers.hashing(data)
    found = in_turn(sides, 3 if quick else 7, prepare)
    call(OURS, str(data), str(cache), "blake3")()
    again = {"ours, blake3, again": call(OURS, str(data), str(cache), "blake3")}
    found |= in_turn(again, 3 if quick else 7, lambda _: None)
    goals = [
        ("ours, blake3, first", "b3sum", 1.3),
        ("ours, blake3, first", "xxhsum 128", 1.3),
        ("ours, xxh3-128, first", "xxhsum 128", 1.3),
        ("ours, sha256, first", "sha256sum", 1.3),
        ("ours, blake3, again", "ours, blake3, first", 0.02),
    ]
    report(f"one file of {data.stat().st_size >> 20:,} MiB", found, goals)


# --- code -----------------------------------------------------------------------------------


def make_repository(folder: Path, files: int) -> None:
    """Makes a repository with that many small files."""
    for number in range(files):
        inner = folder / f"d{number // 100:03}" if files > 100 else folder
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"f{number}.py").write_text(f"x = {number}\n" * 20)
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "bench")):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)


def edit(folder: Path, number: int) -> None:
    """Changes 50 files and writes 50 new ones, with content that was not there before."""
    for inner in sorted(folder.glob("d*"))[:50]:
        (next(iter(sorted(inner.glob("f*.py"))))).write_text(f"y = {number}\n" * 20)
        (inner / "new.py").write_text(f"z = {number}\n")


def family_repository(folder: Path, quick: bool, peers: Peers | None) -> None:
    """Times capturing a repository of 5,000 files beside one `git status`."""
    repository, warm = folder / "repository", folder / "warm"
    make_repository(repository, 1_000 if quick else 5_000)
    make_repository(warm, 1)
    time.sleep(1.1)
    status = ("git", "status", "--porcelain", "--untracked-files=all")
    subprocess.run(status, cwd=repository, check=True, stdout=subprocess.DEVNULL)
    ours = call(CAPTURE, str(repository))
    sides = {"ours, clean": ours, "git status": program(*status, cwd=repository)}
    rounds = 7 if quick else 15
    clean = in_turn(sides, rounds, lambda _: None)
    report("repository, clean", clean, [("ours, clean", "git status", 1.5)])
    count = iter(range(10**6))

    def prepare(name: str) -> None:
        if "first" in name:
            edit(repository, next(count))
        elif "same" in name:  # as in a run that comes a little later, and in all after it
            time.sleep(2.1)
            ours()

    sides = {
        "ours, new edits, first": ours,
        "ours, the same edits": ours,
        "git status": program(*status, cwd=repository),
    }
    dirty = {name: [] for name in sides}
    for _ in range(rounds // 2):
        for name, side in sides.items():
            prepare(name)
            dirty[name].append(side())
    goals = [
        ("ours, new edits, first", "git status", 2.5),
        ("ours, the same edits", "git status", 2.5),
    ]
    report("repository with 50 edited and 50 new files", dirty, goals)


def family_sheet(folder: Path, quick: bool, peers: Peers | None) -> None:
    """Times a whole `runlock` in a small repository."""
    make_repository(folder, 20)
    (folder / ".gitignore").write_text("results/\n")
    found = in_turn({"runlock": call(SHEET, str(folder))}, 5 if quick else 11, lambda _: None)
    report("one whole sheet", found, [])


# --- peers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peers:
    """Published packages in an environment of their own."""

    folder: Path

    def hashing(self, data: Path) -> Timed:
        """Returns what times published FlexLock's hash of a path, in a fresh process."""
        return call(PEER_HASH, str(data), python=str(self.folder / "bin/python"), path="")

    def dvc_add(self, data: Path, folder: Path) -> Timed:
        """Returns what times `dvc add` with hard links, of a copy that it has not seen."""

        def work() -> Took:
            place = folder / "dvc"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            shutil.copytree(data, place / "data")
            for arguments in (
                ("init", "--no-scm", "-q"), ("config", "cache.type", "hardlink,copy"),
            ):  # fmt: skip
                self._dvc(place, *arguments)()
            return self._dvc(place, "add", "-q", "data")()

        return work

    def dvc_again(self, data: Path, folder: Path) -> Timed:
        """Returns what times `dvc add` of what it has already."""
        return self._dvc(folder / "dvc", "add", "-q", "data")

    def _dvc(self, place: Path, *arguments: str) -> Timed:
        return program(str(self.folder / "bin/dvc"), *arguments, cwd=place)


@contextmanager
def installed(wanted: bool) -> Iterator[Peers | None]:
    """Installs the peers for as long as they are needed."""
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(Path(folder, "bin/python")), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "flexlock==0.10.*", "dvc"], check=True, stderr=subprocess.DEVNULL)
        os.environ["DVC_NO_ANALYTICS"] = "1"
        yield Peers(Path(folder))


def main() -> None:
    """Runs the families that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument("--peer", action="store_true", help="also measure published packages")
    options = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "python": sys.version}))
    with installed(options.peer) as peers:
        for family in options.family or FAMILIES:
            with tempfile.TemporaryDirectory(prefix=f"bench-{family}-") as folder:
                globals()[f"family_{family}"](Path(folder), options.quick, peers)


if __name__ == "__main__":
    main()
