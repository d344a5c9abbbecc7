"""Decorated functions called from Python, and by `main.cli` with a command line."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest
from omegaconf import DictConfig, OmegaConf

from flexlock import clicfg, current_run, read_lock, run_status, runlock
from flexlock.errors import ConfigError


class Config:
    param = 1
    save_dir = "out"


@clicfg(config_class=Config)
def main(cfg: Any) -> Any:
    """Return the config."""
    return cfg


@dataclasses.dataclass
class Data:
    param: int = 1
    path: Path = Path("x")

    def double(self) -> int:
        return 2 * self.param


class TestCalls:
    @pytest.fixture(autouse=True)
    def inside(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["pytest", "-o", "unrelated", "--help"])

    def test_defaults(self, folder: Path) -> None:
        cfg = main()
        assert isinstance(cfg, DictConfig)
        assert (cfg.param, cfg["param"], cfg.save_dir) == (1, 1, "out")
        assert read_lock(folder / "out").config == {"param": 1, "save_dir": "out"}
        assert run_status(folder / "out").name == "complete"

    def test_positional_config_replaces_the_defaults(self) -> None:
        class Other:
            param = 7
            more = "x"

        assert main(Other()) == {"param": 7, "more": "x"}
        assert main({"a": "${b}", "b": 1}) == {"a": 1, "b": 1}
        changed = Config()
        changed.param = 8
        assert main(changed).param == 8
        assert main(None).param == 1

    def test_keywords_change_values(self) -> None:
        assert main(param=9).param == 9
        assert main(Config(), param=9).param == 9
        with pytest.raises(ConfigError, match=r"no parameter 'parm'"):
            main(parm=9)
        with pytest.raises(TypeError, match="takes one config, but 2 were given"):
            main(Config(), Config())

    def test_directory_is_there_before_the_function(self, folder: Path) -> None:
        @clicfg(config_class={"save_dir": "deep/er"})
        def write(cfg: Any) -> None:
            Path(cfg.save_dir, "out.txt").write_text("x")

        write()
        write()
        assert (folder / "deep" / "er" / "out.txt").read_text() == "x"

    def test_nothing_is_written_without_a_save_dir(self, folder: Path) -> None:
        before = sorted(folder.rglob("*"))
        assert main({"param": 1}) == {"param": 1}
        assert sorted(folder.rglob("*")) == before

    def test_runlock_without_a_place_names_both_remedies(self) -> None:
        @clicfg(config_class={"param": 1})
        def locked(cfg: Any) -> None:
            runlock(config=cfg)

        with pytest.raises(ValueError, match=r"runlock_path=.*save_dir"):
            locked()

    def test_sheet_can_be_left_to_runlock(self, folder: Path) -> None:
        @clicfg(config_class={"save_dir": "out"}, lock=False)
        def bare(cfg: Any) -> None:
            assert not (folder / "out" / "run.lock").exists()

        bare()
        assert not (folder / "out" / "run.lock").exists()
        assert (folder / "out" / "run.complete").exists()

    def test_error_is_raised_and_recorded(self, folder: Path) -> None:
        @clicfg(config_class=Config)
        def failing(cfg: Any) -> None:
            raise KeyError("x")

        with pytest.raises(KeyError, match="x"):
            failing()
        assert run_status(folder / "out").name == "failed"

    def test_interrupt_is_an_interrupt_for_callers_in_python(self) -> None:
        @clicfg(config_class=Config)
        def stopped(cfg: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            stopped()

    def test_runs_within_runs(self, folder: Path) -> None:
        @clicfg(config_class={"save_dir": "outer"})
        def outer(cfg: Any) -> None:
            main(save_dir="inner")
            session = current_run()
            assert session is not None
            assert session.save_dir == folder / "outer"

        outer()
        assert current_run() is None
        assert read_lock(folder / "inner").status == "complete"

    def test_omegaconf_and_part_of_a_larger_config(self) -> None:
        whole = OmegaConf.create({"root": "r", "part": {"param": "${root}"}})
        assert main(whole.part).param == "r"


class TestWhatTheFunctionGets:
    @pytest.fixture(autouse=True)
    def inside(self, folder: Path) -> None:
        """Run in an empty folder."""

    def test_instance_of_the_class(self) -> None:
        @clicfg(config_class=Data, instantiate=True)
        def typed(cfg: Data) -> tuple[int, Path]:
            return cfg.double(), cfg.path

        assert typed(param=4) == (8, Path("x"))
        assert typed(Data(param=5)) == (10, Path("x"))
        assert typed.cli(["-o", "param", "6", "path=y"]) == (12, Path("y"))  # type: ignore[attr-defined]

    def test_instance_of_a_model_that_validates(self) -> None:
        class Model(pydantic.BaseModel):
            param: int = pydantic.Field(1, le=5)

        @clicfg(config_class=Model, instantiate=True)
        def typed(cfg: Model) -> Model:
            return cfg

        assert typed(param=5) == Model(param=5)
        with pytest.raises(ConfigError, match="less than or equal to 5"):
            typed(param=6)

    def test_config_from_the_default_or_the_annotation(self) -> None:
        @clicfg
        def by_default(cfg: Any = Config()) -> Any:  # noqa: B008
            return cfg.param

        @clicfg()
        def by_annotation(settings: Data) -> Any:
            return settings.param

        @clicfg
        def by_name(cfg: Any) -> Any:
            return cfg

        assert by_default(param=2) == 2
        assert by_annotation(param=3) == 3
        assert by_name(anything=4) == {"anything": 4}

    def test_plain_signature(self, folder: Path) -> None:
        defaults = Data()

        @clicfg
        def fit(
            lr: float, sizes: tuple[int, ...] = (1, 2), data: Data = defaults, save_dir: str = "fit"
        ) -> Any:
            """Fit.

            Args:
                lr: How fast.
            """
            return lr, sizes, data.double()

        assert fit(0.5) == (0.5, (1, 2), 2)
        assert fit(lr=1, sizes=[3]) == (1.0, (3,), 2)
        assert fit.cli(["-o", "lr=2", "sizes=[7]", "data.param=4"]) == (2.0, (7,), 8)  # type: ignore[attr-defined]
        assert read_lock(folder / "fit").config["lr"] == 2.0
        with pytest.raises(ConfigError, match="No value for 'lr'"):
            fit()
        with pytest.raises(TypeError):
            fit(1, 2, 3, 4, 5)

    def test_positional_only_and_extra_names(self) -> None:
        @clicfg
        def odd(a: int, /, *, b: int = 2, **more: int) -> Any:
            return a, b, more

        assert odd(1, c=3) == (1, 2, {"c": 3})

    def test_function_without_parameters(self) -> None:
        @clicfg
        def nothing() -> str:
            return "done"

        assert nothing() == "done"
        assert nothing.cli([]) == "done"  # type: ignore[attr-defined]

    def test_name_and_docstring_stay(self) -> None:
        assert (main.__name__, main.__doc__) == ("main", "Return the config.")
        assert main.__wrapped__(3) == 3  # type: ignore[attr-defined]


class TestCommandLine:
    """`main.cli` takes any command line, so these need no process of their own."""

    @pytest.fixture(autouse=True)
    def inside(self, folder: Path) -> None:
        """Run in an empty folder."""

    def cli(self, *words: str) -> Any:
        return main.cli(list(words))  # type: ignore[attr-defined]

    def fails(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            self.cli(*words)
        assert stopped.value.code == 2
        return capsys.readouterr().err

    def test_both_spellings_and_forms(self, folder: Path) -> None:
        Path("a.yml").write_text("param: 2\n")
        for words in (
            ["--overrides_path", "a.yml"], ["--overrides-path=a.yml"], ["-c", "a.yml"],
            ["--config=a.yml"], ["--override", "param", "2"], ["-oparam=2"],
        ):  # fmt: skip
            assert self.cli(*words).param == 2

    def test_print_config_is_a_config_file(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.cli("-o", "param=5", "+x=${param}", "+y=no", "+z='7'", "--print_config") is None
        text = capsys.readouterr().out
        assert not (folder / "out").exists()
        Path("again.yml").write_text(text)
        same = clicfg(config_class={})(lambda cfg: cfg)
        assert same.cli(["-c", "again.yml", "-o", "save_dir=other"]) == {  # type: ignore[attr-defined]
            "param": 5, "save_dir": "other", "x": 5, "y": "no", "z": "7",
        }  # fmt: skip

    def test_dry_run_writes_nothing(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.cli("--dry_run", "-o", "save_dir=${vinc:a/b}") is None
        assert capsys.readouterr().out == f"would run {main.__module__}:main in a/b_0000\n"
        assert not (folder / "a").exists()

    def test_quiet(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.cli("-q")
        monkeypatch.setenv("FLEXLOCK_QUIET", "1")
        self.cli()
        assert capsys.readouterr().err == ""

    def test_dictionary_in_an_override(self) -> None:
        config = clicfg(config_class={"opt": {"lr": 1, "name": "adam"}})(lambda cfg: cfg)
        assert config.cli(["-o", "opt={lr: 2}"]).opt == {"lr": 2, "name": "adam"}  # type: ignore[attr-defined]

    def test_words_of_other_options_do_not_end_up_in_overrides(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "Value missing for 'param'" in self.fails(capsys, "-o", "param", "--quiet")
        assert "There is no option '--verbose'" in self.fails(capsys, "--verbose")
        assert "expected one argument" in self.fails(capsys, "--experiment")

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.cli("--help") is None
        text = capsys.readouterr().out
        assert "Return the config." in text
        assert "param                 int, default 1" in text
        for option in (
            "--config", "--experiment", "--override", "--overrides_path", "--tasks", "--task_to",
            "--n_jobs", "--slurm_config", "--print_config", "--dry_run", "--quiet", "--debug",
        ):  # fmt: skip
            assert option in text
        assert "--n-jobs" in text  # that both spellings work
        assert "examples:" in text
        assert "exit status:" in text
        assert max(map(len, text.splitlines())) <= 100
