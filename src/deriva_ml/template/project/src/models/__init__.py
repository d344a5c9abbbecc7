"""Model functions of the project: plain functions that are given an execution."""
