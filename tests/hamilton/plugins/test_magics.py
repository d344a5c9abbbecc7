import sys

import pytest

pytest.importorskip("IPython")

CELL = """
def a(x: int) -> int:
    return x + 1

def b(a: int) -> int:
    return a * 2
"""


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    from hamilton.plugins.jupyter_magic import load_ipython_extension

    InteractiveShell.clear_instance()
    found = InteractiveShell.instance()
    found.history_manager.enabled = False
    load_ipython_extension(found)
    yield found
    InteractiveShell.clear_instance()
    sys.modules.pop("note_flow", None)


@pytest.fixture
def shown(monkeypatch):
    import IPython.display

    found = []
    monkeypatch.setattr(IPython.display, "display", found.append)
    return found


pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_cell_becomes_a_module_that_is_drawn_and_run(shell, shown):
    shell.user_ns["wanted"] = ["b"]
    line = "note_flow -d -x wanted -i x=3 --show_results"
    shell.run_cell_magic("cell_to_module", line, CELL)
    assert shell.user_ns["b"] == 8
    assert shell.user_ns["note_flow"].a(1) == 2
    assert "<svg" in shown[0]._repr_svg_()
    assert shown[1] == {"b": 8}


def test_everything_is_run_when_no_names_are_given(shell, shown):
    shell.run_cell_magic("cell_to_module", """note_flow -x -i '{"x": 1}' -o a=5""", CELL)
    assert (shell.user_ns["a"], shell.user_ns["b"]) == (5, 10)


def test_a_module_grows_cell_by_cell(shell):
    first, second = CELL.split("\n\n")
    shell.run_cell_magic("incr_cell_to_module", "note_flow 1", first)
    shell.run_cell_magic("incr_cell_to_module", "note_flow 2", second)
    assert shell.user_ns["note_flow_dr"].execute(["b"], inputs={"x": 1}) == {"b": 4}
    shell.run_cell_magic("incr_cell_to_module", "note_flow 1", first.replace("+ 1", "+ 9"))
    assert shell.user_ns["note_flow_dr"].execute(["b"], inputs={"x": 1}) == {"b": 20}


def test_a_module_is_written_shown_and_forgotten(shell, tmp_path, capsys):
    path = tmp_path / "flow.py"
    shell.run_cell_magic("cell_to_module", f"note_flow -w {path}", CELL)
    assert path.read_text() == CELL
    shell.run_line_magic("print_module", "note_flow")
    assert "def b(a: int)" in capsys.readouterr().out
    shell.run_line_magic("reset_module", "note_flow")
    assert "note_flow" not in shell.user_ns
    with pytest.raises(ValueError, match="No cell has made"):
        shell.run_line_magic("print_module", "note_flow")


def test_lines_become_a_dictionary(shell):
    shell.run_cell_magic("set_dict", "settings", "a: 1\n# a remark\nb: text\nc: [1, 2]\n")
    assert shell.user_ns["settings"] == {"a": 1, "b": "text", "c": [1, 2]}


def test_a_wrong_line_is_an_error_and_not_the_end(shell):
    with pytest.raises(ValueError, match="name"):
        shell.run_cell_magic("cell_to_module", "", CELL)
    with pytest.raises(ValueError, match="identifier"):
        shell.run_cell_magic("incr_cell_to_module", "note_flow one", CELL)


def test_a_module_is_put_into_the_next_cell(shell, tmp_path):
    path = tmp_path / "flow.py"
    path.write_text(CELL)
    shell.run_line_magic("insert_module", str(path))
    assert shell.rl_next_input.startswith("%%cell_to_module flow\n")
