"""Three spellings of the settings, one meaning; unknown keys are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flexlock.errors import ConfigError
from flexlock.tasks.cluster.pbs import Pbs
from flexlock.tasks.cluster.scheduler import JobRequest
from flexlock.tasks.cluster.settings import Settings
from flexlock.tasks.cluster.slurm import Slurm
from flexlock.tasks.container import Container


def slurm(content: dict[str, Any]) -> Settings:
    return Slurm().read_settings(content)


def test_flat_keys(tmp_path: Path) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text(
        "partition: gpu\ntime: 01:30:00\nmem: 16G\ncpus: 4\ngpus: 1\nqos: low\narray: 40%10\n"
        "account: lab\nconstraint: a100&nvme\nsetup: [module load cuda]\nextra: {nice: 10}\n"
    )
    settings = Slurm().read_settings(path)
    assert set(settings.directives) == {
        "--partition=gpu",
        "--time=01:30:00",
        "--mem=16G",
        "--cpus-per-task=4",
        "--gpus=1",
        "--qos=low",
        "--account=lab",
        "--constraint=a100&nvme",
        "--nice=10",
    }
    assert (settings.array, settings.throttle) == (40, 10)
    assert settings.setup == ("module load cuda",)


def test_names_of_submitit_mean_the_same() -> None:
    theirs = slurm(
        {
            "timeout_min": 90,
            "slurm_partition": "gpu",
            "mem_gb": 1.5,
            "cpus_per_task": 4,
            "slurm_array_parallelism": 8,
            "slurm_additional_parameters": {"nice": 10, "requeue": True},
            "slurm_setup": ["module load cuda"],
            "slurm_signal_delay_s": 60,
            "max_num_timeout": 3,
            "slurm_python": "python3.12",
            "stderr_to_stdout": True,
            "tasks_per_node": 1,
        }
    )
    assert set(theirs.directives) == {
        *("--time=90", "--partition=gpu", "--mem=1536M", "--cpus-per-task=4"),
        *("--nice=10", "--requeue", "--ntasks-per-node=1"),
    }
    assert (theirs.array, theirs.signal_delay_s, theirs.max_attempts) == (8, 60, 4)
    assert (theirs.python, theirs.setup, theirs.merge_stderr) == (
        *("python3.12", ("module load cuda",)),
        True,
    )


def test_startup_lines_are_split_into_directives_and_commands() -> None:
    settings = slurm(
        {
            "startup_lines": ["#!/bin/bash", "module load x", "#SBATCH --array=0-3", "cd /work"],
            "python_exe": "singularity run --nv image.sif python",
            "configure_logging": False,
            "after": "12:13",
        }
    )
    assert settings.directives == ("--array=0-3",)
    assert settings.own_array
    assert settings.setup == ("module load x", "cd /work")
    assert (settings.python, settings.logging) == ("singularity run --nv image.sif python", False)
    assert settings.after == ("12", "13")


def test_a_container_is_part_of_the_settings() -> None:
    settings = slurm({"container": {"image": "a.sif", "gpu": True, "binds": ["/data"]}})
    assert settings.container == Container("a.sif", "apptainer", ("/data",), gpu=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"partitoin": "x"}, "Did you mean 'partition'"),
        ({"slurm_partitoin": "x"}, "Did you mean 'partition'"),
        ({"zzzz": 1}, "others go to extra"),
        ({"time": 5, "timeout_min": 5}, "both 'time' and 'timeout_min'"),
        ({"array": 0}, "at least 1"),
        ({"array": "4%2", "throttle": 1}, "throttle once"),
        ({"setup": 3}, "list of shell lines"),
        ({"partition": {"a": 1}}, "cannot be"),
        ({"extra": [1]}, "must be a mapping"),
        ({"tasks_per_node": 4}, "array: N"),
        ({"configure_logging": "x"}, "true or false"),
        ({"container": {"image": "a", "runtim": "docker"}}, "Did you mean 'runtime'"),
    ],
)
def test_what_cannot_be_meant_is_refused(content: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        slurm(content)


def test_unreadable_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        Slurm().read_settings(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match="no mapping"):
        Slurm().read_settings(tmp_path / "list.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert Slurm().read_settings(tmp_path / "empty.yaml") == Settings()


def request(settings: Settings, workers: int = 4) -> JobRequest:
    return JobRequest(
        *("fit", "python -m flexlock.tasks.worker q", workers),
        *(Path("/home/ann/my work"), Path("/home/ann/out/slurm_logs"), settings),
    )


def test_slurm_script_in_full() -> None:
    settings = slurm({"partition": "main", "throttle": 2, "setup": ["module load x"]})
    assert Slurm().script(request(settings)) == (
        "#!/bin/bash\n"
        "#SBATCH --job-name=fit\n"
        "#SBATCH --array=0-3%2\n"
        "#SBATCH --output=/home/ann/out/slurm_logs/slurm-%A_%a.out\n"
        "#SBATCH --error=/home/ann/out/slurm_logs/slurm-%A_%a.err\n"
        '#SBATCH --chdir="/home/ann/my work"\n'
        "#SBATCH --signal=B:USR1@120\n"
        "#SBATCH --partition=main\n"
        "\n"
        "module load x\n"
        "exec python -m flexlock.tasks.worker q\n"
    )


def test_slurm_script_keeps_an_array_of_its_user() -> None:
    script = Slurm().script(request(slurm({"startup_lines": ["#SBATCH -a 1-9"]})))
    assert "#SBATCH -a 1-9\n" in script
    assert "--array" not in script


def test_advice_is_about_what_is_not_asked_for() -> None:
    assert len(Slurm().advise(Settings())) == 3
    full = slurm({"partition": "a", "time": 1, "mem_per_cpu": "1G"})
    assert Slurm().advise(full) == []


def test_pbs_script_in_full() -> None:
    settings = Pbs().read_settings(
        {
            "queue": "long",
            "walltime": "02:00:00",
            "mem": "8gb",
            "cpus": 4,
            "array": 4,
            "extra": {"W": "sandbox=private", "place": "scatter"},
            "startup_lines": ["#PBS -M ann@example.org", "module load x"],
        }
    )
    assert Pbs().script(request(settings)) == (
        "#!/bin/bash\n"
        "#PBS -N fit\n"
        "#PBS -J 0-3\n"
        "#PBS -o /home/ann/out/slurm_logs/\n"
        "#PBS -e /home/ann/out/slurm_logs/\n"
        "#PBS -q long\n"
        "#PBS -l walltime=02:00:00\n"
        "#PBS -l mem=8gb\n"
        "#PBS -l ncpus=4\n"
        "#PBS -W sandbox=private\n"
        "#PBS -l place=scatter\n"
        "#PBS -M ann@example.org\n"
        "\n"
        "cd '/home/ann/my work' || exit 1\n"
        "module load x\n"
        "exec python -m flexlock.tasks.worker q\n"
    )


def test_pbs_has_no_arrays_of_one_and_counts_minutes() -> None:
    settings = Pbs().read_settings({"timeout_min": 90, "configure_name": False})
    script = Pbs().script(request(settings, workers=1))
    assert "-J" not in script
    assert "-N" not in script
    assert "#PBS -l walltime=01:30:00\n" in script
