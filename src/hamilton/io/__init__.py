"""Loading and saving the values of nodes."""
