"""Bags as one file: equal bytes, accepted by other tools, and nothing believed that is read."""

from __future__ import annotations

import bz2
import hashlib
import io
import os
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_catalog.bag import ArchiveLimits, BagWriter, pack_bag, portable_name, unpack_bag
from deriva_catalog.bag.names import clash_key
from deriva_catalog.errors import BadRequest, Conflict, Corrupted, NotFound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bdbag import bdbag_api

ENDINGS = ("zip", "tar", "tgz", "tar.gz")
FILES = {"data/a.txt": b"a" * 3000, "data/sub dir/é#1.png": bytes(range(256)), "data/empty": b""}


def contents(bag: Path) -> dict[str, bytes]:
    return {p.relative_to(bag).as_posix(): p.read_bytes() for p in bag.rglob("*") if p.is_file()}


def write(place: Path, files: dict[str, bytes]) -> Path:
    with BagWriter(place) as bag:
        for path, data in files.items():
            bag.add(path, data)
    return place


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write(tmp_path / "bag", FILES)


# --- packing -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_bags_give_equal_archives_that_come_out_equal(
    bag: Path, tmp_path: Path, ending: str
) -> None:
    again = write(tmp_path / "again", dict(reversed(FILES.items())))
    for place in again.rglob("*"):
        os.utime(place, (1, 1))
    first = pack_bag(bag, tmp_path / f"one.{ending}", name="bag")
    second = pack_bag(again, tmp_path / f"two.{ending}", name="bag")
    assert first.read_bytes() == second.read_bytes()
    assert contents(unpack_bag(first, tmp_path / "out")) == contents(bag)


@pytest.mark.parametrize("ending", ["zip", "tar", "tgz"])
def test_other_tools_unpack_and_accept_what_is_packed(
    bag: Path, tmp_path: Path, ending: str
) -> None:
    archive = pack_bag(bag, tmp_path / f"study.{ending}")
    out = bdbag_api.extract_bag(str(archive), str(tmp_path / "out"))
    assert Path(out).name == "study"
    bdbag_api.validate_bag(out, fast=False)
    bdbag_api.validate_bag(out, fast=True)
    bagit.Bag(out).validate(completeness_only=True)
    bagit.Bag(out).validate()


@pytest.mark.parametrize("archiver", ["zip", "tar", "tgz", "bz2"])
def test_what_other_tools_pack_is_unpacked(tmp_path: Path, archiver: str) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/a.txt").write_bytes(b"aaa")
    bdbag_api.make_bag(str(tmp_path / "made"), algs=["md5", "sha512"])
    archive = Path(bdbag_api.archive_bag(str(tmp_path / "made"), archiver))
    assert contents(unpack_bag(archive, tmp_path / "out")) == contents(tmp_path / "made")


def test_files_that_are_only_listed_stay_listed(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_fetch("data/x", "https://host/x", length=1, md5="0" * 32, sha256="0" * 64)
    archive = pack_bag(tmp_path / "bag", tmp_path / "bag.zip")
    out = unpack_bag(archive, tmp_path / "out")
    assert contents(out) == contents(tmp_path / "bag")
    bdbag_api.validate_bag_structure(str(out))


def test_what_cannot_be_packed_is_refused(bag: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="how a bag is packed"):
        pack_bag(bag, tmp_path / "x.rar")
    (tmp_path / "x.zip").touch()
    with pytest.raises(Conflict, match="exists"):
        pack_bag(bag, tmp_path / "x.zip")
    with pytest.raises(NotFound):
        pack_bag(tmp_path / "none", tmp_path / "y.zip")
    (bag / "data/a.txt").unlink()
    with pytest.raises(Corrupted, match=r"a\.txt' is listed but missing"):
        pack_bag(bag, tmp_path / "y.zip")
    clashing = write(tmp_path / "clash", {"data/a": b"1", "data/A": b"2"})
    with pytest.raises(Conflict, match="letter case"):
        pack_bag(clashing, tmp_path / "y.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag", "clash", "x.zip"]


def distinct(files: dict[str, bytes]) -> bool:
    return len({clash_key(name) for name in files}) == len(files)


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12).map(portable_name), st.binary(max_size=50)
    ).filter(distinct),
    st.sampled_from(ENDINGS),
)
def test_any_portable_names_survive_an_archive(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], ending: str
) -> None:
    place = tmp_path_factory.mktemp("bags")
    bag = write(place / "bag", {f"data/{name}": data for name, data in files.items()})
    archive = pack_bag(bag, place / f"bag.{ending}")
    assert contents(unpack_bag(archive, place / "out")) == contents(bag)


@pytest.mark.parametrize("name", ["aux", "NUL.txt", "com1.tar.gz", "Lpt9", "con"])
def test_names_of_devices_are_not_written(name: str) -> None:
    assert portable_name(name).startswith("_")


# --- archives that play tricks -----------------------------------------------------------

GOOD = {
    "bag/bagit.txt": b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n",
    "bag/manifest-md5.txt": f"{hashlib.md5(b'a').hexdigest()}  data/a\n".encode(),
    "bag/data/a": b"a",
}


def packed_zip(place: Path, entries: list[tuple[str, bytes]]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(place / "x.zip", "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data)
    return place / "x.zip"


def packed_tar(place: Path, entries: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(place / "x.tgz", "w:gz") as archive:
        for name, data in entries:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return place / "x.tgz"


@pytest.mark.parametrize("packed", [packed_zip, packed_tar])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../outside", "lead out"),
        ("bag/../../outside", "lead out"),
        ("bag/./x", "lead out"),
        ("bag//x", "lead out"),
        ("bag\\x", "lead out"),
        ("/etc/x", "absolute"),
        ("~/x", "absolute"),
        ("C:/x", "absolute"),
        ("bag/a\nb", "control"),
        ("bag/data/nul.txt", "device"),
        ("bag/COM1/x", "device"),
        ("bag/data/a", "twice"),
        ("bag/data/A", "letter case"),
        ("bag/DATA/b", "letter case"),
        ("bag/data/a/b", "both a file and a folder"),
        ("bag/data", "both a file and a folder"),
        ("bag/" + "x/" * 70 + "y", "too deep"),
    ],
)
def test_names_with_tricks_are_refused_and_leave_nothing(
    tmp_path: Path,
    packed: Callable[[Path, list[tuple[str, bytes]]], Path],
    name: str,
    why: str,
) -> None:
    archive = packed(tmp_path, [*GOOD.items(), (name, b"x")])
    with pytest.raises(Corrupted, match=why) as caught:
        unpack_bag(archive, tmp_path / "out/bag")
    assert caught.value.facts["path"] == name
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("packed", [packed_zip, packed_tar])
def test_a_plain_archive_of_the_same_kind_is_accepted(
    tmp_path: Path, packed: Callable[[Path, list[tuple[str, bytes]]], Path]
) -> None:
    out = unpack_bag(packed(tmp_path, list(GOOD.items())), tmp_path / "out")
    assert contents(out) == {name[4:]: data for name, data in GOOD.items()}


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "FIFOTYPE"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: str) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo("bag/data/a")
        member.type, member.linkname = getattr(tarfile, kind), "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(Corrupted, match="link or a device"):
        unpack_bag(tmp_path / "x.tar", tmp_path / "out")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, mode: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        entry = zipfile.ZipInfo("bag/data/a")
        entry.external_attr = (mode | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(Corrupted, match="link or a device"):
        unpack_bag(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("ending", ["zip", "tgz"])
@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (ArchiveLimits(files=3), "3 files"),
        (ArchiveLimits(length=3_000), "3,000 bytes"),
        (ArchiveLimits(ratio=50), "50 times"),
    ],
)
def test_what_holds_too_much_is_given_up(
    tmp_path: Path, ending: str, limits: ArchiveLimits, why: str
) -> None:
    bag = write(tmp_path / "bag", {"data/zeros": bytes(70 << 20)} if limits.ratio == 50 else FILES)
    archive = pack_bag(bag, tmp_path / f"bag.{ending}")
    with pytest.raises(Corrupted, match=why):
        unpack_bag(archive, tmp_path / "out/bag", limits=limits)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_header_that_announces_gigabytes_is_not_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 4 << 30
    (tmp_path / "x.tar").write_bytes(member.tobuf() + bytes(10240))
    with pytest.raises(Corrupted, match="not believed"):
        unpack_bag(tmp_path / "x.tar", tmp_path / "out")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("harm", ["cut", "flip", "other"])
def test_damaged_archives_are_refused(bag: Path, tmp_path: Path, ending: str, harm: str) -> None:
    archive = pack_bag(bag, tmp_path / f"x.{ending}")
    data = archive.read_bytes()
    middle = data.index(bytes(range(100, 110))) if ending == "tar" else len(data) // 2
    changed = {
        "cut": data[: len(data) // 3],
        "flip": data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :],
        "other": b"no archive at all",
    }
    archive.write_bytes(changed[harm])
    with pytest.raises(Corrupted):
        unpack_bag(archive, tmp_path / "out/bag")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_bzip2_file_is_refused(bag: Path, tmp_path: Path) -> None:
    tarball = pack_bag(bag, tmp_path / "x.tar").read_bytes()
    data = bytearray(bz2.compress(tarball))
    data[4] ^= 0xFF
    (tmp_path / "x.tar.bz2").write_bytes(data)
    with pytest.raises(Corrupted, match="cannot be unpacked: Invalid data stream"):
        unpack_bag(tmp_path / "x.tar.bz2", tmp_path / "out/bag")
    assert list((tmp_path / "out").iterdir()) == []


# --- bags that lie -----------------------------------------------------------------------

FETCH = "https://host/b\t{}\tdata/b\n"
LISTED = GOOD["bag/manifest-md5.txt"] + b"%s  data/b\n" % (b"0" * 32)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"data/a": b"b"}, "data/a"),
        ({"data/a": None}, "data/a"),
        ({"data/extra": b"x"}, "data/extra"),
        ({"bag-info.txt": b"Payload-Oxum: 2.1\n"}, "data"),
        ({"fetch.txt": b"https://host/x\t1\t../../x\n"}, "../../x"),
        ({"fetch.txt": b"https://host/x\t1\t/etc/x\n"}, "/etc/x"),
        ({"fetch.txt": b"https://host/x\t1\tdata/unlisted\n"}, "data/unlisted"),
        ({"fetch.txt": b"https://host/a\t7\tdata/a\n"}, "data/a"),
        ({"manifest-md5.txt": LISTED}, "data/b"),
        ({"tagmanifest-md5.txt": b"0" * 32 + b"  bagit.txt\n"}, "bagit.txt"),
    ],
)
def test_a_bag_that_lies_is_refused_with_the_name_of_the_file(
    tmp_path: Path, changes: dict[str, bytes | None], path: str
) -> None:
    files = {**GOOD, **{f"bag/{name}": data for name, data in changes.items()}}
    entries = [(name, data) for name, data in files.items() if data is not None]
    with pytest.raises(Corrupted) as caught:
        unpack_bag(packed_zip(tmp_path, entries), tmp_path / "out/bag")
    assert caught.value.facts["path"] == path
    assert path in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_listed_to_be_fetched_may_be_missing(tmp_path: Path) -> None:
    files = {**GOOD, "bag/manifest-md5.txt": LISTED, "bag/fetch.txt": FETCH.format(3).encode()}
    out = unpack_bag(packed_zip(tmp_path, list(files.items())), tmp_path / "out")
    assert (out / "data/a").read_bytes() == b"a"


@pytest.mark.parametrize("entries", [[], [("a/x", b""), ("b/x", b"")], [("a/x", b"")]])
def test_an_archive_of_no_bag_is_refused(tmp_path: Path, entries: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Corrupted):
        unpack_bag(packed_zip(tmp_path, entries), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_never_replaced(bag: Path, tmp_path: Path) -> None:
    archive = pack_bag(bag, tmp_path / "bag.zip")
    with pytest.raises(Conflict, match="exists"):
        unpack_bag(archive, bag)
    with pytest.raises(NotFound):
        unpack_bag(tmp_path / "no.zip", tmp_path / "out")


def test_two_spellings_of_one_letter_are_one_name(tmp_path: Path) -> None:
    entries = [*GOOD.items(), ("bag/data/é", b"1"), ("bag/data/e\u0301", b"2")]
    with pytest.raises(Corrupted, match="letter case"):
        unpack_bag(packed_tar(tmp_path, entries), tmp_path / "out")


def test_an_archive_that_lies_about_lengths_is_refused(tmp_path: Path) -> None:
    archive = packed_zip(tmp_path, [*GOOD.items(), ("bag/data/b", b"x" * 50)])
    data = bytearray(archive.read_bytes())
    entry = data.rindex(b"PK\x01\x02")  # what the directory at the end says of the last file
    data[entry + 24 : entry + 28] = (7).to_bytes(4, "little")
    archive.write_bytes(bytes(data))
    with pytest.raises(Corrupted):
        unpack_bag(archive, tmp_path / "out/bag")
    assert list((tmp_path / "out").iterdir()) == []
