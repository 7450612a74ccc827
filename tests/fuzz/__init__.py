"""A differential fuzzer: the same generated input for pyngx and for a real nginx."""
