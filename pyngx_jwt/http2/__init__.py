"""HTTP/2 (RFC 9113): frames, header blocks and flow control, for both ends, without sockets."""
