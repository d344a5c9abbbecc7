"""Configurations of the project, one module for each group."""
