"""The object store: files whole and in chunks, versions, rights, renames, namespaces."""

import hashlib
import io
import tempfile
from base64 import b64encode
from pathlib import Path

from deriva.core import HatracJobPaused, NotModified
from told import GIVEN, OTHERS, outcome, store, tell

place = Path(tempfile.mkdtemp())
mine, theirs, nobody = store(), store(OTHERS), store(None)
root = f"/hatrac/{GIVEN.name}"
mine.create_namespace(root)
small = place / "small.txt"
small.write_bytes(b"hello " * 1000)
big = place / "big.bin"
big.write_bytes(bytes(range(256)) * 4096 * 3)


def md5(path):
    return b64encode(hashlib.md5(path.read_bytes()).digest()).decode()


def sha256(path):
    return b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


# --- whole files
first = mine.put_obj(
    f"{root}/deep/er/small.txt",
    str(small),
    content_type="text/plain",
    content_disposition="filename*=UTF-8''small.txt",
)
again = mine.put_obj(f"{root}/deep/er/small.txt", str(small))
head = mine.head(first)
target = place / "back.txt"
mine.get_obj(first, destfilename=str(target))
try:
    mine.put_obj(f"{root}/deep/er/small.txt", io.BytesIO(b"other"), allow_versioning=False)
    versioned = True
except NotModified:
    versioned = False
second = mine.put_obj(f"{root}/deep/er/small.txt", io.BytesIO(b"other"), sha256=None)
facts = {
    "location": [first.startswith(f"{root}/deep/er/small.txt:"), again == first, second != first],
    "head": [
        head.headers["content-type"],
        head.headers["content-disposition"],
        int(head.headers["content-length"]),
        head.headers["content-md5"] == md5(small),
        head.headers["content-sha256"] == sha256(small),
    ],
    "back": target.read_bytes() == small.read_bytes(),
    "one_version": versioned is False,
    "current": mine.get_obj(f"{root}/deep/er/small.txt").content.decode(),
    "old": len(mine.get_obj(first).content),
    "equal": [
        mine.content_equals(first, filename=str(small)),
        mine.content_equals(second, filename=str(small)),
    ],
    "versions": [
        v.rpartition(":")[0] == f"{root}/deep/er/small.txt"
        for v in mine.get(
            f"{root}/deep/er/small.txt;versions", headers={"accept": "application/json"}
        ).json()
    ],
    "wrong_hash": outcome(
        mine.put_obj, f"{root}/wrong", io.BytesIO(b"x"), md5=b64encode(b"0" * 16).decode()
    ),
    "no_parent": outcome(mine.put_obj, f"{root}/no/such/x", io.BytesIO(b"x"), parents=False),
    "range": mine.get(first, headers={"range": "bytes=0-4"}).content.decode(),
}

# --- chunks: uploaded, paused and resumed, cancelled
seen = []
location = mine.put_loc(
    f"{root}/big.bin",
    str(big),
    chunked=True,
    chunk_size=1_000_000,
    callback=lambda **told: seen.append(told.get("completed")) or 1,
)
whole = place / "whole.bin"
mine.get_obj(location, destfilename=str(whole))
job = mine.create_upload_job(f"{root}/resumed.bin", str(big), md5(big), None, chunk_size=1_000_000)
try:
    mine.put_obj_chunked(
        f"{root}/resumed.bin", str(big), job, callback=lambda **told: -1, cancel_job_on_error=False
    )
    paused = False
except HatracJobPaused:
    paused = True
status = mine.get_upload_job(f"{root}/resumed.bin", job).json()
not_yet = outcome(mine.get_obj, f"{root}/resumed.bin")
mine.put_obj_chunked(f"{root}/resumed.bin", str(big), job, start_chunk=1)
resumed = mine.finalize_upload_job(f"{root}/resumed.bin", job)
other = mine.create_upload_job(
    f"{root}/cancelled.bin", str(big), md5(big), None, chunk_size=1_000_000
)
mine.cancel_upload_job(f"{root}/cancelled.bin", other)
facts |= {
    "chunks": [n for n in seen if n],
    "same": whole.read_bytes() == big.read_bytes(),
    "paused": paused,
    "job": [status["chunk-length"], status["content-length"], status["content-md5"] == md5(big)],
    "invisible": not_yet,
    "resumed": mine.content_equals(resumed, md5=md5(big)),
    "cancelled": outcome(mine.get_upload_job, f"{root}/cancelled.bin", other),
    "skipped": mine.put_loc(f"{root}/big.bin", str(big), chunked=True) == location,
}

# --- rights
name = f"{root}/deep/er/small.txt"
facts["closed"] = [outcome(theirs.get_obj, name), outcome(nobody.get_obj, name)]
mine.set_acl(root, "subtree-read", [GIVEN.other])
facts |= {
    "acl": mine.get_acl(root)["subtree-read"],
    "owners": mine.get_acl(name, "owner")["owner"],
    "readable": theirs.get_obj(name).content.decode(),
    "writable": outcome(theirs.put_obj, f"{root}/theirs", io.BytesIO(b"x")),
}
mine.set_acl(name, "read", ["*"], add_role=True)
facts["object_only"] = [mine.get_acl(name, "read", "*"), outcome(nobody.get_obj, name)]
mine.set_acl(second, "read", ["*"])
facts["public"] = nobody.get_obj(second).content.decode()
mine.del_acl(root, "subtree-read", GIVEN.other)
facts["taken_back"] = mine.get_acl(root)["subtree-read"]

# --- namespaces, renames, deletion
facts |= {
    "namespace": [mine.is_valid_namespace(root), mine.is_valid_namespace(f"{root}/none")],
    "listed": sorted(mine.retrieve_namespace(root)),
}
moved = mine.rename_obj(name, f"{root}/renamed.txt", copy_acls=True)
facts |= {
    "moved": [moved.startswith(f"{root}/renamed.txt"), outcome(mine.get_obj, name)],
    "moved_content": mine.get_obj(f"{root}/renamed.txt").content.decode(),
}
for victim in ("renamed.txt", "big.bin", "resumed.bin"):
    mine.del_obj(f"{root}/{victim}")
facts["deleted"] = outcome(mine.get_obj, f"{root}/renamed.txt")
mine.create_namespace(f"{root}/emptied", parents=False)
mine.put_obj(f"{root}/emptied/x", io.BytesIO(b"x"))
mine.delete_namespace(f"{root}/emptied")
facts["namespace_deleted"] = [
    outcome(mine.get_obj, f"{root}/emptied/x"),
    mine.is_valid_namespace(f"{root}/emptied"),
    outcome(mine.create_namespace, f"{root}/emptied"),
]
tell(**facts)
