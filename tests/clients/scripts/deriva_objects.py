"""Keep files as deriva-py does, and use its command-line tools; prints JSON.

Usage: deriva_objects.py HOST TOKEN DIRECTORY
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from deriva.core import DerivaServer, HatracStore
from deriva.core import ermrest_model as em

host, token, directory = sys.argv[1:]
folder = Path(directory)
top = folder.name
seen = {}
credential = {"bearer-token": token}
store = HatracStore("https", host, credentials=credential)

# --- the object store --------------------------------------------------------------------

store.create_namespace(f"/hatrac/{top}/run 1", parents=True)
small, large = folder / "small.txt", folder / "large.bin"
small.write_text("a few words\n")
large.write_bytes(bytes(range(256)) * 40_000)
first = store.put_obj(f"/hatrac/{top}/run 1/small.txt", str(small), parents=True)
seen["versioned"] = ":" in first
seen["again"] = store.put_obj(f"/hatrac/{top}/run 1/small.txt", str(small)) == first
small.write_text("other words\n")
seen["second"] = store.put_obj(f"/hatrac/{top}/run 1/small.txt", str(small)) != first
store.put_loc(
    f"/hatrac/{top}/large.bin", str(large), chunked=True, chunk_size=4_000_000, create_parents=True
)
store.get_obj(f"/hatrac/{top}/large.bin", destfilename=str(folder / "large.back"))
seen["large"] = (folder / "large.back").read_bytes() == large.read_bytes()
store.get_obj(first, destfilename=str(folder / "small.back"))
seen["old"] = (folder / "small.back").read_text()
seen["listed"] = sorted(store.retrieve_namespace(f"/hatrac/{top}"))
seen["is"] = (
    store.is_valid_namespace(f"/hatrac/{top}"),
    store.content_equals(f"/hatrac/{top}/large.bin", str(large)),
)
store.set_acl(f"/hatrac/{top}", "subtree-read", ["*"])
seen["acl"] = store.get_acl(f"/hatrac/{top}", "subtree-read")
store.rename_obj(f"/hatrac/{top}/large.bin", f"/hatrac/{top}/renamed.bin")
seen["renamed"] = sorted(store.retrieve_namespace(f"/hatrac/{top}"))
store.del_obj(f"/hatrac/{top}/renamed.bin")

# --- the tools ---------------------------------------------------------------------------


(folder / ".deriva").mkdir()
(folder / ".deriva" / "credential.json").write_text(json.dumps({host: credential}))
environment = {**os.environ, "HOME": str(folder)}


def tool(name, *arguments):
    """Run a command of deriva-py; returns what it printed."""
    command = [str(Path(sys.executable).parent / name), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    if done.returncode:
        sys.exit(f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


tool("deriva-hatrac-cli", "--host", host, "mkdir", f"/hatrac/{top}-tools")
tool("deriva-hatrac-cli", "--host", host, "put", str(small), f"/hatrac/{top}-tools/s.txt")
tool("deriva-hatrac-cli", "--host", host, "get", f"/hatrac/{top}-tools/s.txt", "tools.back")
seen["tool_back"] = (folder / "tools.back").read_text()
seen["tool_ls"] = tool("deriva-hatrac-cli", "--host", host, "ls", f"/hatrac/{top}-tools").split()

server = DerivaServer("https", host, credentials=credential)
catalog = server.create_ermrest_catalog()
number = str(catalog.catalog_id)
seen["tool_exists"] = tool("deriva-catalog-cli", "--host", host, "exists", number).strip()
model = catalog.getCatalogModel()
model.configure_baseline_catalog(catalog_name="zoo", public=True)
model.apply()
zoo = model.create_schema(em.Schema.define("zoo"))
zoo.create_table(
    em.Table.define(
        "Note",
        [em.Column.define("text", em.builtin_types.text, nullok=False)],
        key_defs=[em.Key.define(["text"])],
    )
)
zoo.create_table(em.Table.define_asset("zoo", "Photo"))
catalog.post("/entity/zoo:Note", json=[{"text": "one"}, {"text": "two"}])
printed = tool("deriva-catalog-cli", "--host", host, "get", number, "/entity/zoo:Note")
seen["tool_rows"] = len(json.loads(printed))

acl_config = {
    "groups": {"staff": ["https://lab.example/staff"], "kim": ["https://lab.example/kim"]},
    "acl_definitions": {
        "catalog": {"owner": ["kim"], "select": ["staff"], "enumerate": ["staff"]},
        "open": {"select": ["staff"], "insert": ["staff"]},
    },
    "catalog_acl": {"acl": "catalog"},
    "table_acls": [{"schema": "zoo", "table": "Note", "acl": "open"}],
}
(folder / "acls.json").write_text(json.dumps(acl_config))
tool("deriva-acl-config", "--host", host, "--config-file", "acls.json", number)
fresh = catalog.getCatalogModel()
seen["tool_acls"] = (dict(fresh.acls)["select"], dict(fresh.schemas["zoo"].tables["Note"].acls))

tag = "tag:misd.isi.edu,2015:display"
annotation_config = {
    "known_attributes": {"managed": [tag], "ignored": [], "ignore_all_unmanaged": True},
    "table_annotations": [
        {"schema": "zoo", "table": "Note", "uri": tag, "value": {"name": "Remark"}}
    ],
}
(folder / "annotations.json").write_text(json.dumps(annotation_config))
tool("deriva-annotation-config", "--host", host, "--config-file", "annotations.json", number)
note = catalog.getCatalogModel().schemas["zoo"].tables["Note"]
seen["tool_annotations"] = note.annotations.get(tag)

# --- uploading and downloading -----------------------------------------------------------

(folder / "photos" / "deriva").mkdir(parents=True)
for name in ("cat", "owl"):
    (folder / "photos" / "deriva" / f"{name}.png").write_bytes(name.encode() * 100)
upload_config = {
    "version_compatibility": [[">=1.0.0"]],
    "asset_mappings": [
        {
            "file_pattern": r"^.*/(?P<basename>[^/]+)[.](?P<file_ext>png)$",
            "target_table": ["zoo", "Photo"],
            "checksum_types": ["md5"],
            "hatrac_templates": {"hatrac_uri": f"/hatrac/{top}-photos/{{md5}}.{{file_name}}"},
            "hatrac_options": {"versioned_uris": True},
            "record_query_template": "/entity/{target_table}/MD5={md5}&Filename={file_name}",
            "column_map": {
                "MD5": "{md5}",
                "URL": "{URI}",
                "Length": "{file_size}",
                "Filename": "{file_name}",
            },
        }
    ],
}
(folder / "upload.json").write_text(json.dumps(upload_config))
for _ in range(2):  # the second time there is nothing to do
    tool(
        "deriva-upload-cli",
        "--config-file",
        "upload.json",
        "--no-config-update",
        "--catalog",
        number,
        host,
        str(folder / "photos"),
    )
photos = list(catalog.getPathBuilder().zoo.Photo.entities().fetch())
seen["uploaded"] = sorted((r["Filename"], r["Length"]) for r in photos)
download_config = {
    "bag": {"bag_name": "zoo", "bag_algorithms": ["md5"], "bag_archiver": "zip"},
    "catalog": {
        "query_processors": [
            {
                "processor": "csv",
                "processor_params": {"query_path": "/entity/zoo:Note", "output_path": "notes"},
            },
            {
                "processor": "json",
                "processor_params": {"query_path": "/entity/zoo:Note", "output_path": "notes"},
            },
            {
                "processor": "download",
                "processor_params": {
                    "query_path": "/attribute/zoo:Photo/url:=URL,length:=Length,"
                    "filename:=Filename,md5:=MD5",
                    "output_path": "photos",
                },
            },
        ]
    },
}
(folder / "download.json").write_text(json.dumps(download_config))
tool("deriva-download-cli", "--catalog", number, host, "download.json", str(folder / "down"))
seen["bag"] = sorted(p.name for p in (folder / "down").iterdir())
tool("deriva-catalog-cli", "--host", host, "drop", number)
seen["tool_gone"] = not catalog.exists()
print(json.dumps(seen))
