"""What several packages' tests share."""

from onebox_slurm import onebox_slurm

__all__ = ["onebox_slurm"]
