"""Running a run again, from its sheet alone, and comparing what it leaves byte by byte."""

from flexlock.rerunning.report import OutputVerdict, RerunReport
from flexlock.rerunning.rerun import rerun
from flexlock.rerunning.tagged import rerun_tag

__all__ = ["OutputVerdict", "RerunReport", "rerun", "rerun_tag"]
