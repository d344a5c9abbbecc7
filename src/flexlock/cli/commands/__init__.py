"""Subcommands of ``flexlock``, one module each, see `flexlock.cli.program`."""
