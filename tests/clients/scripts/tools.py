"""The command-line tools of the package, over https, with the credential file."""

import contextlib
import io
import json
import shutil
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from bdbag import bdbag_api
from deriva.core import DEFAULT_CREDENTIAL_FILE, format_credential, write_credential
from deriva.core.ermrest_model import Column, Key, Schema, Table, builtin_types, tag
from told import GIVEN, server, store, tell

place = Path(tempfile.mkdtemp(prefix="tools-"))
write_credential(DEFAULT_CREDENTIAL_FILE, {GIVEN.host: format_credential(token=GIVEN.token)})


def tool(name, *arguments):
    """Run a tool; its status and what it printed."""
    [entry] = entry_points(group="console_scripts", name=name)
    main, out = entry.load(), io.StringIO()
    before, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out):
            status = main()
    except SystemExit as stop:
        status = stop.code
    finally:
        sys.argv = before
    return status or 0, out.getvalue()


def written(name, content):
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def catalog_cli(*arguments):
    return tool("deriva-catalog-cli", "--quiet", "--host", GIVEN.host, *arguments)


# --- catalogs
created = tool("deriva-catalog-cli", "--host", GIVEN.host, "create", "--id", "tools")
facts = {
    "create": [created[0], json.loads(created[1])["id"]],
    "exists": catalog_cli("exists", "tools"),
    "absent": catalog_cli("exists", "nothing"),
    "configured": catalog_cli("create", "--id", "baseline", "--auto-configure")[0],
}
catalog = server().connect_ermrest("tools")
model = catalog.getCatalogModel()
lab = model.create_schema(Schema.define("lab"))
lab.create_table(
    Table.define(
        "Sample",
        [
            Column.define("code", builtin_types.text, nullok=False),
            Column.define("n", builtin_types.int4),
        ],
        key_defs=[Key.define(["code"])],
    )
)
lab.create_table(
    Table.define_asset("lab", "Image", column_defs=[Column.define("sample", builtin_types.text)])
)

# --- uploading a directory: a table of rows and files beside it
source = place / "source"
written("source/records/lab/Sample.csv", "code,n\na,1\nb,2\n")
for code in "ab":
    written(f"source/images/{code}/{code} 1.txt", f"image of {code}")
written("source/notes.md", "not to be uploaded")
upload = written(
    "upload.json",
    {
        "asset_mappings": [
            {
                "asset_type": "table",
                "default_columns": ["RID", "RCB", "RMB", "RCT", "RMT"],
                "file_pattern": r"/records/(?P<schema>.+)/(?P<table>.+)[.](?P<file_ext>csv|json)$",
            },
            {
                "target_table": ["lab", "Image"],
                "file_pattern": r"/images/(?P<sample>[^/]+)/(?P<name>[^/]+)[.](?P<file_ext>txt)$",
                "column_map": {
                    "MD5": "{md5}",
                    "URL": "{URI}",
                    "Length": "{file_size}",
                    "Filename": "{file_name}",
                    "sample": "{sample}",
                },
                "metadata_query_templates": [
                    "/attribute/lab:Sample/code={sample_urlencoded}/number:=n"
                ],
                "record_query_template": "/entity/lab:Image/MD5={md5}",
                "hatrac_templates": {
                    "hatrac_uri": "/hatrac/tools/{sample}/{md5}.{file_name}",
                    "content-disposition": "filename*=UTF-8''{file_name}",
                },
                "checksum_types": ["md5", "sha256"],
            },
        ],
    },
)
uploading = "deriva-upload-cli", "--quiet", "--catalog", "tools", "--config-file", upload
facts["uploaded"] = tool(*uploading, GIVEN.host, source)[0]
(source / "records/lab/Sample.csv").unlink()
again = place / "again.json"
facts["uploaded_again"] = tool(*uploading, "--output-file", again, GIVEN.host, source)[0]
images = catalog.get("/entity/lab:Image@sort(sample)").json()
facts |= {
    "states": sorted(
        [Path(name).name, each["Status"]] for name, each in json.loads(again.read_text()).items()
    ),
    "samples": [[r["code"], r["n"]] for r in catalog.get("/entity/lab:Sample@sort(code)").json()],
    "images": [[r["sample"], r["Filename"], r["Length"], r["URL"].count(":")] for r in images],
    "stored": [store().get_obj(r["URL"]).content.decode() for r in images],
}

# --- downloading: files, and a bag that names the stored files
queries = [
    {
        "processor": "csv",
        "processor_params": {
            "query_path": "/entity/lab:Sample@sort(code)",
            "output_path": "samples",
        },
    },
    {
        "processor": "json-stream",
        "processor_params": {
            "query_path": "/attribute/lab:Image/RID,{column},Length",
            "output_path": "sizes",
            "paged_query": True,
            "paged_query_size": 1,
        },
    },
]
fetch = {
    "processor": "fetch",
    "processor_params": {
        "query_path": "/attribute/lab:Image/url:=URL,length:=Length,filename:=Filename,md5:=MD5",
        "output_path": "images",
    },
}
files = written("files.json", {"catalog": {"query_processors": queries}})
bag = written(
    "bag.json",
    {
        "bag": {
            "bag_name": "tools_bag",
            "bag_archiver": "zip",
            "bag_algorithms": ["md5", "sha256"],
        },
        "env": {"column": "sample"},
        "catalog": {"query_processors": [*queries, fetch]},
    },
)
download = ("deriva-download-cli", "--host", GIVEN.host, "--catalog", "tools")
credential = ("--credential-file", DEFAULT_CREDENTIAL_FILE)
facts["downloaded"] = tool(
    "deriva-download-cli",
    "--quiet",
    *credential,
    "--catalog",
    "tools",
    GIVEN.host,
    files,
    place / "out",
    "column=sample",
)[0]
facts["bag"] = tool(
    "deriva-download-cli",
    "--quiet",
    *credential,
    "--catalog",
    "tools",
    GIVEN.host,
    bag,
    place / "bags",
)[0]
shutil.unpack_archive(place / "bags" / "tools_bag.zip", place / "unpacked")
unpacked = place / "unpacked" / "tools_bag"
facts |= {
    "csv": (place / "out/samples.csv").read_text().splitlines()[1].split(",")[5:],
    "sizes": [json.loads(x)["Length"] for x in (place / "out/sizes.json").read_text().splitlines()],
    "fetch": len((unpacked / "fetch.txt").read_text().splitlines()),
}
keychain = written(
    "keychain.json",
    [
        {
            "uri": f"{GIVEN.url}/",
            "auth_type": "bearer-token",
            "auth_params": {"token": GIVEN.token, "allow_redirects_with_token": "False"},
        }
    ],
)
bdbag_api.materialize(str(unpacked), keychain_file=str(keychain))
bdbag_api.validate_bag(str(unpacked), fast=False)
facts["complete"] = sorted(p.read_text() for p in (unpacked / "data/images").iterdir())

# --- the export service
exported = place / "exported"
exported.mkdir()
whole = json.loads(bag.read_text())
whole["catalog"] |= {"host": GIVEN.url, "catalog_id": "tools"}
facts["exported"] = tool(
    "deriva-export-cli",
    "--quiet",
    *credential,
    "--output-dir",
    exported,
    GIVEN.host,
    written("export.json", whole),
)[0]
facts["exported_bag"] = str(shutil.copy(exported / "tools_bag.zip", Path.home()))
facts["exported_files"] = sorted(p.name for p in exported.iterdir())

# --- a backup of everything and its restoration
facts["backup"] = tool(
    "deriva-backup-cli",
    "--quiet",
    *credential,
    "--catalog",
    "tools",
    "--bag-archiver",
    "tgz",
    GIVEN.host,
    place / "backup",
)[0]
[archive] = (place / "backup").glob("*.tgz")
restoring = "deriva-restore-cli", "--quiet", *credential, "--catalog", "restored"
server().create_ermrest_catalog(id="restored")
facts["restore"] = tool(*restoring, GIVEN.host, archive)[0]
facts["restored"] = [
    [row["code"], row["n"]]
    for row in server().connect_ermrest("restored").get("/entity/lab:Sample@sort(code)").json()
]

# --- rights and annotations from files
acls = written(
    "acls.json",
    {
        "groups": {"curators": [GIVEN.client], "everybody": ["*"]},
        "acl_definitions": {
            "catalog": {"owner": [GIVEN.client], "enumerate": ["*"], "select": ["curators"]},
            "open": {"select": ["everybody"]},
        },
        "ignored_schema_patterns": ["public"],
        "catalog_acl": {"acl": "catalog"},
        "table_acls": [{"schema": "lab", "table": "Sample", "acl": "open"}],
    },
)
annotations = written(
    "annotations.json",
    {
        "known_attributes": {"managed": [tag.display], "ignored": [], "ignore_all_unmanaged": True},
        "catalog_annotations": [],
        "schema_annotations": [{"schema": "lab", "uri": tag.display, "value": {"name": "A lab"}}],
        "table_annotations": [],
        "column_annotations": [
            {
                "schema": "lab",
                "table_pattern": ".*",
                "column": "code",
                "uri": tag.display,
                "value": {"name": "Code"},
            }
        ],
        "foreign_key_annotations": [],
        "key_annotations": [],
    },
)
config = ("--host", GIVEN.host, *credential, "--config-file")
facts["acl_config"] = tool("deriva-acl-config", *config, acls, "tools")[0]
facts["annotation_config"] = tool("deriva-annotation-config", *config, annotations, "tools")[0]
dumped = tool("deriva-annotation-dump", *config, annotations, "tools")
changed = catalog.getCatalogModel()
facts |= {
    "acls": [changed.acls["select"], changed.table("lab", "Sample").acls],
    "annotations": [
        changed.schemas["lab"].annotations[tag.display],
        changed.column("lab", "Sample", "code").annotations[tag.display],
    ],
    "dumped": [dumped[0], json.loads(dumped[1])["schema_annotations"]],
    "validated": tool(
        "deriva-annotation-validate", "--quiet", *credential, "-a", tag.display, GIVEN.host, "tools"
    )[0],
}
sitemap = tool("deriva-sitemap-cli", "-s", "lab", "-t", "Sample", "--catalog", "tools", GIVEN.host)
facts["sitemap"] = [sitemap[0], sitemap[1].count("<url>")]

# --- objects
hatrac = ("deriva-hatrac-cli", "--quiet", "--host", GIVEN.host)
payload = written("payload.txt", "payload")
facts |= {
    "mkdir": tool(*hatrac, "mkdir", "-p", "/hatrac/cli/deep")[0],
    "put": [tool(*hatrac, "put", payload, "/hatrac/cli/deep/p.txt")[1].rpartition(":")[0]],
    "put_chunked": tool(*hatrac, "put", "--chunk-size", "3", payload, "/hatrac/cli/deep/q.txt")[0],
    "get": tool(*hatrac, "get", "/hatrac/cli/deep/p.txt", place / "got.txt")[0],
    "setacl": tool(*hatrac, "setacl", "/hatrac/cli/deep/p.txt", "read", GIVEN.other)[0],
    "getacl": tool(*hatrac, "getacl", "/hatrac/cli/deep/p.txt", "--access", "read")[1].split(),
    "delacl": tool(*hatrac, "delacl", "/hatrac/cli/deep/p.txt", "read", GIVEN.other)[0],
    "rename": tool(*hatrac, "rename", "/hatrac/cli/deep/p.txt", "/hatrac/cli/p.txt")[0],
    "ls": tool(*hatrac, "ls", "/hatrac/cli")[1].split(),
    "del": tool(*hatrac, "del", "/hatrac/cli/p.txt")[0],
    "rmdir": tool(*hatrac, "rmdir", "/hatrac/cli")[0],
    "gone": tool(*hatrac, "get", "/hatrac/cli/p.txt", place / "none.txt")[0],
    "got": (place / "got.txt").read_text(),
}

# --- catalogs again
facts |= {
    "get_rows": [
        r["code"] for r in json.loads(catalog_cli("get", "tools", "/entity/lab:Sample")[1])
    ],
    "delete_rows": catalog_cli("delete", "tools", "/entity/lab:Sample/code=a")[0],
    "create_alias": catalog_cli("create-alias", "--id", "tools-alias", "-t", "tools")[0],
    "update_alias": catalog_cli(
        "update-alias", "--id", "tools-alias", "-t", "baseline", "-o", GIVEN.client
    )[0],
    "alias": json.loads(
        tool("deriva-catalog-cli", "--host", GIVEN.host, "get-alias", "tools-alias")[1]
    )["alias_target"],
    "delete_alias": catalog_cli("delete-alias", "tools-alias")[0],
    "clone": catalog_cli("clone", "tools")[0],
    "drop": catalog_cli("drop", "baseline")[0],
    "dropped": catalog_cli("exists", "baseline")[1].strip(),
    "forbidden": tool(
        "deriva-catalog-cli",
        "--quiet",
        "--host",
        GIVEN.host,
        f"--oauth2-token={GIVEN.other_token}",  # which may begin with a dash
        "drop",
        "tools",
    )[0],
}
shutil.rmtree(place)
tell(**facts)
