"""Recorded runs: what a tracker writes down of a run, and a browser to look at it."""
