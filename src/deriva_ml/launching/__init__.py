"""Many runs of one command, on the task engine of run locks: here, in processes, or on Slurm.

Two plugins for Hydra: the launcher ``flexlock`` runs the jobs of any sweep as tasks of
`flexlock.tasks`, and the sweeper ``tasks`` makes a job of each line of a file. ``deriva-ml-run``
registers them when its options ask for them; a program of your own does it by `register`:

    from deriva_ml.launching import register

    register()
    zen(run_model).hydra_main(config_name="deriva_model", version_base="1.3", config_path=None)

    # python train.py -m hydra/launcher=flexlock hydra.launcher.n_jobs=4 lr=0.1,0.2
"""

from __future__ import annotations

from .plugins import register

__all__ = ["register"]
