"""Imported by the process that the servers under test are forked from."""

from .launch import preload

preload()
