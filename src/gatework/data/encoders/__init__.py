"""Items of each kind as numbers."""
