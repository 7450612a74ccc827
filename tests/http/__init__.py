"""Tests of pyngx_jwt.http."""
