"""The notebook `notebooks/results.ipynb`: it compares the runs that there are."""

from deriva_ml.execution import notebook_config

notebook_config("results", description="Compare the training runs")
