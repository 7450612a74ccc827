"""QUIC (RFC 9000): the one place that knows aioquic, whose TLS is not used."""
