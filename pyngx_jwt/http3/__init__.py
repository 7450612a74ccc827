"""HTTP/3: frames, compressed heads and what streams carry, without sockets (RFC 9114, 9204)."""
