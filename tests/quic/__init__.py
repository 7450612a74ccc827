"""QUIC without a network."""
