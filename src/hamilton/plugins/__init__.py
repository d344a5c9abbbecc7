"""What needs an optional library; each module is imported when it is first needed."""
