"""Errors of the configuration itself."""
