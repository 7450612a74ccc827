"""Sockets in, requests out: listening, HTTP/1 connections, TLS, the PROXY protocol."""
