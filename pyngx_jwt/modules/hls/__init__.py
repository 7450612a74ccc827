"""HTTP Live Streaming of MP4 files: playlists, and fragments as MPEG transport streams.

module: directives, and what is answered.  playlist: fragments and their text.  media: what is read
of films, and fragments of them; PyAV is only known there.
"""

from .module import hls

__all__ = ["hls"]
