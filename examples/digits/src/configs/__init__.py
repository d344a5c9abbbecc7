"""Configurations of the digits project, one module for each group."""
