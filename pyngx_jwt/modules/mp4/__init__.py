"""Sends MP4 files from and to a time that the client asks for (pseudo-streaming)."""

from __future__ import annotations

from .module import Mp4Conf, mp4

__all__ = ["Mp4Conf", "mp4"]
