"""What all protocols to upstreams share: directives, balancing, retries, bodies, caching.

A protocol is a module below ``modules`` with two things of its own: a conf, which extends those of
``gateway.conf`` and gets their directives under its prefix, and a ``Wire``, which knows the bytes.
Everything else is here once.  ``docs/architecture.md`` has the walk of an exchange.
"""
