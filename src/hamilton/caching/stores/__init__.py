"""Stores of the cache: files, SQLite and memory."""
