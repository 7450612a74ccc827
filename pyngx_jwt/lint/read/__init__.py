"""Reads configurations, compiles them as for serving, and collects all errors."""
