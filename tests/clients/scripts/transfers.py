"""Transfers that break off and go on, and what pages in a browser ask of the object store."""

import hashlib
import json
import os
import tempfile
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deriva.core import HatracJobPaused
from deriva.core.ermrest_model import Schema, Table
from deriva.transfer import GenericUploader
from told import GIVEN, MINE, outcome, server, store, tell

place = Path(tempfile.mkdtemp())
root = f"/hatrac/{GIVEN.name}"
mine, nobody = store(), store(None)
mine.create_namespace(root)


def md5(data):
    return b64encode(hashlib.md5(data).digest()).decode()


# --- the upload tool dies in the middle of a large file; its next run goes on with it
catalog = server().create_ermrest_catalog()
lab = catalog.getCatalogModel().create_schema(Schema.define("lab"))
lab.create_table(Table.define_asset("lab", "Image"))
(place / "source").mkdir()
large = os.urandom(1 << 20) * 51
(place / "source" / "large.bin").write_bytes(large)
mapping = {
    "target_table": ["lab", "Image"],
    "file_pattern": r"(?P<name>[^/]+)[.](?P<file_ext>bin)$",
    "column_map": {
        "MD5": "{md5}",
        "URL": "{URI}",
        "Length": "{file_size}",
        "Filename": "{file_name}",
    },
    "record_query_template": "/entity/lab:Image/MD5={md5}",
    "hatrac_templates": {"hatrac_uri": f"{root}/{{md5}}.{{file_name}}"},
    "checksum_types": ["md5"],
}
config = place / "config.json"
config.write_text(json.dumps({"asset_mappings": [mapping]}))
where = {"protocol": GIVEN.scheme, "host": GIVEN.host, "catalog_id": catalog.catalog_id}


def upload(tell_of):
    """Run the tool over the directory, and call `tell_of` after each chunk with its number."""
    uploader = GenericUploader(str(config), server=where)
    uploader.setCredentials(MINE)
    uploader.scanDirectory(str(place / "source"), abort_on_invalid_input=True)

    def callback(**told):
        done = uploader.defaultFileCallback(**told)
        if told.get("completed"):
            tell_of(told["completed"])
        return done

    found = [each["Status"] for each in uploader.uploadFiles(file_callback=callback).values()]
    uploader.cleanup()
    return found


child = os.fork()
if child == 0:
    upload(lambda _: os._exit(9))
died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
begun = catalog.get("/entity/lab:Image").json()
again = []
states = upload(again.append)
(row,) = catalog.get("/entity/lab:Image").json()
mine.get_obj(row["URL"], destfilename=str(place / "back.bin"))
facts = {
    "died": [died, begun],
    "went_on": again,
    "state": states,
    "row": [row["Length"], row["Filename"]],
    "back": (place / "back.bin").read_bytes() == large,
}

# --- an upload that the user pauses, by the client's own functions
name = f"{root}/paused.bin"
data = os.urandom(3_500_000)
(place / "paused.bin").write_bytes(data)
paused = []


def pause(**told):
    """Stop after the second chunk."""
    paused.append(told["completed"])
    return -1 if told["completed"] == 2 else 1


job = mine.create_upload_job(name, str(place / "paused.bin"), md5(data), None, chunk_size=1_000_000)
try:
    mine.put_obj_chunked(
        name, str(place / "paused.bin"), job, callback=pause, cancel_job_on_error=False
    )
except HatracJobPaused:
    paused.append("paused")
status = mine.get_upload_job(name, job).json()
mine.put_obj_chunked(name, str(place / "paused.bin"), job, start_chunk=2)
location = mine.finalize_upload_job(name, job)
finished_twice = outcome(mine.finalize_upload_job, name, job)
facts |= {
    "paused": paused,
    "received": status["chunks-received"],
    "equal": mine.content_equals(location, md5=md5(data)),
    "finished_twice": finished_twice,
}

# --- as pages in a browser do it
name = f"{root}/page/p%C3%A9.txt"
text = b"0123456789" * 250_000
missing = outcome(mine.head, name)
described = {
    "chunk-length": 1_000_000,
    "content-length": len(text),
    "content-type": "text/plain",
    "content-md5": md5(text),
    "content-disposition": "filename*=UTF-8''p%C3%A9.txt",
}
made = mine.post(f"{name};upload?parents=true", json=described)
job = made.headers["Location"]
waiting = mine.get(job).json()
bytes_only = {"content-type": "application/octet-stream"}


def send(number):
    part = text[number * 1_000_000 :][:1_000_000]
    return mine.put(f"{job}/{number}", data=part, headers=bytes_only).status_code


with ThreadPoolExecutor(3) as pool:
    sent = list(pool.map(send, [2, 0, 1]))
finished = mine.post(job, json={})
url = finished.headers["Location"]
head = mine.head(name)
renamed = mine.put(
    f"{name};metadata/content-disposition",
    data="filename*=UTF-8''other.txt",
    headers={"content-type": "text/plain"},
)
after = mine.head(f"{url}?uinit=1")
part = mine.get(url, headers={"range": "bytes=0-9"})
same = mine.get(url, headers={"if-none-match": after.headers["etag"]})
facts |= {
    "missing": missing,
    "begun": [made.status_code, job.startswith(name.lower().replace("%c3%a9", "%C3%A9"))],
    "resumes": waiting["content-md5"] == md5(text),
    "sent": sent,
    "finished": [finished.status_code, url.startswith(name), finished.text == f"{url}\n"],
    "head": [
        head.headers["content-md5"] == md5(text),
        int(head.headers["content-length"]) == len(text),
        head.headers["content-location"] == url,
        head.headers["content-disposition"],
    ],
    "renamed": [renamed.status_code, after.headers["content-disposition"]],
    "metadata": mine.get(f"{url};metadata/", headers={"accept": "application/json"}).json(),
    "part": [part.status_code, part.text, "content-md5" in part.headers],
    "same": same.status_code,
    "nobody": [outcome(nobody.get_obj, url), outcome(nobody.put_obj, f"{root}/x", __file__)],
}
tell(**facts)
