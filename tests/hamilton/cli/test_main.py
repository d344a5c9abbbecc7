import json
import subprocess

import pytest

from hamilton.cli.main import main

FLOW = (
    "def {first}(x: int) -> int:\n    return x + {add}\n\n\n"
    "def last({first}: int) -> int:\n    return 2 * {first}\n"
)


@pytest.fixture
def flow(tmp_path):
    file = tmp_path / "my_flow.py"
    file.write_text(FLOW.format(first="start", add=1))
    return file


def answer(capsys, *arguments):
    code = main(["--json-out", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out)


def test_build_names_the_modules(flow, capsys):
    assert answer(capsys, "build", flow) == (
        0,
        {"command": "build", "success": True, "message": {"modules": ["my_flow"]}},
    )


def test_build_reports_what_is_wrong(tmp_path, capsys):
    file = tmp_path / "broken_flow.py"
    file.write_text("def a(x) -> int:\n    return x\n")
    code, found = answer(capsys, "build", file)
    assert code == 1
    assert "Missing type hint for x" in found["message"]["error"]


def test_a_path_that_is_not_there_is_a_wrong_argument(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["build", str(tmp_path / "nothing.py")])
    assert stopped.value.code == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["json", "py"])
def test_validate_reads_either_context(flow, tmp_path, capsys, suffix):
    values = {"HAMILTON_FINAL_VARS": ["last"], "HAMILTON_INPUTS": {"x": 1}}
    file = tmp_path / f"context.{suffix}"
    text = json.dumps(values)
    if suffix == "py":
        text = "\n".join(f"{k} = {v!r}" for k, v in values.items())
    file.write_text(text)
    code, found = answer(capsys, "validate", "--context", file, flow)
    assert code == 0
    assert found["message"]["HAMILTON_FINAL_VARS"] == ["last"]
    assert found["message"]["HAMILTON_OVERRIDES"] == {}


def test_validate_fails_on_missing_inputs(flow, tmp_path, capsys):
    file = tmp_path / "context.json"
    file.write_text(json.dumps({"HAMILTON_FINAL_VARS": ["last"]}))
    code, found = answer(capsys, "validate", "-ctx", file, flow)
    assert code == 1
    assert "Required input x" in found["message"]["error"]


def test_version_follows_code_and_not_layout(flow, capsys):
    _, first = answer(capsys, "version", flow)
    flow.write_text("# a remark\n\n" + flow.read_text())
    _, same = answer(capsys, "version", flow)
    flow.write_text(FLOW.format(first="start", add=9))
    _, other = answer(capsys, "version", flow)
    assert first["message"] == same["message"]
    assert first["message"]["dataflow_hash"] != other["message"]["dataflow_hash"]
    assert first["message"]["nodes_hash"]["last"] == other["message"]["nodes_hash"]["last"]


def test_view_draws_where_it_is_told(flow, tmp_path, capsys):
    path = tmp_path / "out.svg"
    assert answer(capsys, "view", "-o", path, flow)[1]["message"] == {"path": str(path)}
    assert "start" in path.read_text()


@pytest.fixture
def committed(flow):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=flow.parent, check=True, capture_output=True
        )

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "start")
    return flow


def test_diff_tells_new_gone_and_edited_nodes(committed, tmp_path, capsys):
    assert answer(capsys, "diff", committed)[1]["message"] == {
        "current_only": [],
        "reference_only": [],
        "edit": {},
    }
    # Another length: Python tells compiled modules apart by length and second.
    committed.write_text(FLOW.format(first="beginning", add=1))
    picture = tmp_path / "d.svg"
    code, found = answer(capsys, "diff", "--view", "-o", picture, committed)
    assert code == 0
    assert found["message"]["current_only"] == ["beginning"]
    assert found["message"]["reference_only"] == ["start"]
    assert list(found["message"]["edit"]) == ["last"]
    assert "only here" in picture.read_text()


def test_diff_with_an_unknown_revision_fails(committed, capsys):
    code, found = answer(capsys, "diff", "--git-reference", "nowhere", committed)
    assert code == 1
    assert "git rev-parse failed" in found["message"]["error"]
    assert main(["diff", "--git-reference", "nowhere", str(committed)]) == 1
    assert capsys.readouterr().err.startswith("hamilton diff: ValueError: git rev-parse failed")


def test_without_json_the_message_is_printed(flow, capsys):
    assert main(["build", str(flow)]) == 0
    assert capsys.readouterr().out == "{'modules': ['my_flow']}\n"


def test_a_cache_folder_can_be_pruned(tmp_path, capsys):
    from hamilton import ad_hoc_utils, driver

    def value() -> str:
        return "x" * 1000

    module = ad_hoc_utils.create_temporary_module(value)
    driver.Builder().with_modules(module).with_cache(tmp_path).build().execute(["value"])
    assert answer(capsys, "cache", tmp_path, "--max-size", 10)[1]["message"] == {"removed": 1}
    assert answer(capsys, "cache", tmp_path)[0] == 1
