"""Connections and datagrams that are passed on as they are ("stream").

contexts: its blocks.  session: a client's connection with all that variables ask for.  channel:
the ends of a connection, TCP or UDP, as handlers read and write them.  relay: bytes both ways.
engine: the phases.  module: what a module of it is made of.  Variables, templates and the rest of
what conditions are made of are those of HTTP, whose sessions are requests.
"""
