"""deriva-py: who a client is, the object store, the command-line tools, and lost connections.

Source: ERMrest, "Authenticating a request" and "What the real clients call"; Hatrac, "What
clients call".
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bdbag import bdbag_api

from deriva_catalog.bag import unpack_bag, validate
from foreign import ACCOUNT, GROUPS, PASSWORD, SCRIPTS, Foreign, Place
from serve_command import serve_process

KIM, LEE = "https://idp.example.org/kim", "https://idp.example.org/lee"
BACKENDS = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
Seen = Callable[..., dict[str, Any]]


@BACKENDS
def test_every_way_to_say_who_one_is(seen: Seen, backend: str) -> None:
    told = seen("identity.py", backend, account=ACCOUNT, password=PASSWORD, group=GROUPS[0])
    assert {told[name] for name in ("bearer", "cookie", "file", "context")} == {KIM}
    assert told["password"] == ACCOUNT
    assert [told[name] for name in ("wrong_password", "nobody", "unknown_token")] == [401, 404, 404]
    assert told["attributes"] == sorted([KIM, *GROUPS])
    assert told["is_private"] == 0


@BACKENDS
def test_clients_may_what_the_rights_say(seen: Seen, backend: str) -> None:
    told = seen("identity.py", backend, account=ACCOUNT, password=PASSWORD, group=GROUPS[0])
    assert told["closed"] == [403, 401]
    assert told["owner"]
    assert told["seen_by_a_group"] == ["x", True]
    assert told["seen_by_nobody"] == [["public", "s"], 401]
    assert told["cannot_change"] == 403


@BACKENDS
def test_objects_have_versions_and_digests(seen: Seen, backend: str) -> None:
    told = seen("objects.py", backend, name="objects")
    assert told["location"] == [True, True, True]
    assert told["head"] == ["text/plain", "filename*=UTF-8''small.txt", 6000, True, True]
    assert told["back"]
    assert told["one_version"]
    assert (told["current"], told["old"], told["range"]) == ("other", 6000, "hello")
    assert told["equal"] == [True, False]
    assert told["versions"] == [True, True]
    assert (told["wrong_hash"], told["no_parent"]) == (400, 404)


@BACKENDS
def test_objects_come_in_chunks(seen: Seen, backend: str) -> None:
    told = seen("objects.py", backend, name="objects")
    assert told["chunks"] == [1, 2, 3, 4]
    assert told["same"]
    assert told["paused"]
    assert told["job"] == [1_000_000, 3_145_728, True]
    assert told["invisible"] == 409
    assert told["resumed"]
    assert told["cancelled"] == 404
    assert told["skipped"]


@BACKENDS
def test_objects_have_rights_and_places(seen: Seen, backend: str) -> None:
    told = seen("objects.py", backend, name="objects")
    assert told["closed"] == [403, 401]
    assert (told["acl"], told["owners"], told["taken_back"]) == ([LEE], [KIM], [])
    assert (told["readable"], told["writable"]) == ("other", 403)
    assert told["object_only"] == [{"read": ["*"]}, 401]
    assert told["public"] == "other"
    assert told["namespace"] == [True, False]
    root = "/hatrac/objects"
    names = ("big.bin", "cancelled.bin", "deep", "resumed.bin")
    assert told["listed"] == [f"{root}/{name}" for name in names]
    assert told["moved"] == [True, 0]  # the old name leads on
    assert told["moved_content"] == "other"
    assert told["deleted"] == 404
    assert told["namespace_deleted"] == [404, False, 409]


@pytest.fixture(scope="module")
def tools(deriva: Foreign, places: Callable[..., Place]) -> dict[str, Any]:
    """What the command-line tools did over https, with the service's own certificate trusted."""
    told: dict[str, Any] = deriva.run("tools.py", places("sqlite", tls=True))
    return told


def test_the_catalog_tool(tools: dict[str, Any]) -> None:
    assert tools["create"] == [0, "tools"]
    assert tools["exists"] == [0, "True\n"]
    assert tools["absent"] == [0, "False\n"]
    assert tools["dropped"] == "False"
    done = ("configured", "create_alias", "update_alias", "delete_alias", "delete_rows", "clone")
    assert [tools[name] for name in (*done, "drop")] == [0] * 7
    assert tools["alias"] == "baseline"
    assert tools["get_rows"] == ["a", "b"]
    assert tools["forbidden"] == 1


def test_the_upload_tool(tools: dict[str, Any]) -> None:
    assert (tools["uploaded"], tools["uploaded_again"]) == (0, 0)
    assert tools["states"] == [["a 1.txt", "Complete"], ["b 1.txt", "Complete"]]
    assert tools["samples"] == [["a", 1], ["b", 2]]
    assert tools["images"] == [["a", "a 1.txt", 10, 1], ["b", "b 1.txt", 10, 1]]
    assert tools["stored"] == ["image of a", "image of b"]


def test_the_download_and_export_tools(tools: dict[str, Any]) -> None:
    assert (tools["downloaded"], tools["bag"], tools["exported"]) == (0, 0, 0)
    assert tools["csv"] == ["a", "1"]
    assert tools["sizes"] == [10, 10]
    assert tools["fetch"] == 2
    assert tools["complete"] == ["image of a", "image of b"]
    assert tools["exported_files"] == ["tools_bag.zip"]


def test_a_bag_that_the_export_tool_got_is_unpacked_and_completed_by_ours(
    tools: dict[str, Any], tmp_path: Path
) -> None:
    bag = unpack_bag(Path(tools["exported_bag"]), tmp_path / "bag")
    assert len(validate(bag).to_fetch) == 2
    bdbag_api.validate_bag_structure(str(bag))


def test_the_backup_and_restore_tools(tools: dict[str, Any]) -> None:
    assert (tools["backup"], tools["restore"]) == (0, 0)
    assert tools["restored"] == [["a", 1], ["b", 2]]


def test_the_configuration_tools(tools: dict[str, Any]) -> None:
    done = ("acl_config", "annotation_config", "validated")
    assert [tools[name] for name in done] == [0, 0, 0]
    assert tools["acls"] == [[KIM], {"select": ["*"]}]
    assert tools["annotations"] == [{"name": "A lab"}, {"name": "Code"}]
    assert tools["dumped"][0] == 0
    assert [spec["value"] for spec in tools["dumped"][1]] == [{"name": "A lab"}]
    assert tools["sitemap"] == [0, 2]


def test_the_hatrac_tool(tools: dict[str, Any]) -> None:
    done = ("mkdir", "put_chunked", "get", "setacl", "delacl", "rename", "del", "rmdir")
    assert [tools[name] for name in done] == [0] * 8
    assert tools["put"] == ["/hatrac/cli/deep/p.txt"]
    assert tools["getacl"] == ["read:", LEE]
    assert tools["ls"] == ["/hatrac/cli/deep", "/hatrac/cli/p.txt"]
    assert (tools["gone"], tools["got"]) == (1, "payload")


def test_a_client_waits_for_a_service_that_comes_back(deriva: Foreign, tmp_path: Path) -> None:
    """The service is stopped between two requests of a client, and started anew."""
    with serve_process(tmp_path) as first:
        port = first.port
        given = {"scheme": "http", "host": f"localhost:{port}", "token": "t", "other_token": "t"}
        command = [str(deriva.python), str(SCRIPTS / "retrying.py"), json.dumps(given)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == "0.5.0\n"
            assert first.stop() == 0
            client.stdin.write("go on\n")
            client.stdin.flush()
            assert client.stdout.readline() == "asking\n"
            with serve_process(tmp_path, port=port):
                assert client.stdout.readline() == "0.5.0\n"
            assert client.wait(30) == 0
