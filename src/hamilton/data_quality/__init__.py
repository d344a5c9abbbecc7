"""Checks on the values of nodes."""
