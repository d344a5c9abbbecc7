"""Model functions of the digits project: plain functions that are given an execution."""
