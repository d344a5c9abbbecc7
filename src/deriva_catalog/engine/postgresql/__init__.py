"""The engine over PostgreSQL: one schema of a database for each catalog."""
