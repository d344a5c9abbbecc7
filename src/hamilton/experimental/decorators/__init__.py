"""Decorators that are tried out."""
