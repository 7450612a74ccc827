"""The compiled configuration as rules see it."""
