"""TLS on OpenSSL: contexts, connections over bytes, a transport.  It knows no HTTP."""
