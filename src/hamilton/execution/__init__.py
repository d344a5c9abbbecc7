"""Task-based execution: parallel blocks, grouping of nodes, executors."""
