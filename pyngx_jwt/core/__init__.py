"""What every server has, whatever it speaks: its process, its logs, and modules with a life.

module: what a module is made of, and its hooks.  worker: a worker as these hooks see it.  main:
the directives of the process.  logs: "error_log" at any level.
"""
