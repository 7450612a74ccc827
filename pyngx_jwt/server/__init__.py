"""Sockets in, requests out: listening, request heads, HTTP/1, TLS, PROXY protocol."""
