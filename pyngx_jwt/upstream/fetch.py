"""Fetches a small document from a URL that the configuration names, for the server itself."""

from __future__ import annotations

from typing import NamedTuple

from .errors import UpstreamError


class Document(NamedTuple):
    """A response; `cache_control` is the field as it was sent, "" if it was not."""

    status: int
    body: bytes
    cache_control: str


async def fetch_url(url: str, *, most: int, seconds: float, trusted: str = "") -> Document:
    """The response, which is not to be longer than `most` bytes and not to take longer.  The
    certificate of the server is verified, by the authorities in the file `trusted` or else by those
    of the system; redirects are not followed.  Raises UpstreamError."""
    import ssl

    import aiohttp

    context = ssl.create_default_context(cafile=trusted or None)
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, ssl=context, allow_redirects=False) as response,
        ):
            body = await response.content.read(most + 1)
            while len(body) <= most and (data := await response.content.read(most + 1)):
                body += data
            if len(body) > most:
                raise UpstreamError(f"more than {most} bytes")
            return Document(response.status, body, response.headers.get("Cache-Control", ""))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise UpstreamError(str(error) or type(error).__name__) from None
