"""Notebooks as executions: their configuration, their parameters, and what is kept of a run."""
