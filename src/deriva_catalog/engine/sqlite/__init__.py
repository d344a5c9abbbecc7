"""Everything that differs between SQLite and another database, and nothing else."""
