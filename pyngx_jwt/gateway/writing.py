"""Responses that are written to a file while the client gets them (ngx_event_pipe)."""

from __future__ import annotations

from ..cache import Writer
from ..http.request import DONE, Status
from ..upstream.errors import UpstreamError
from ..upstream.head import PeerResponse
from .follower import Follower
from .response_side import ResponseSide


class BodyWriter:
    """Keepers that have a file for the body; what happens to the file is theirs to say."""

    writer: Writer | None = None
    client: Follower | None = None

    def commit(self, exchange: ResponseSide, writer: Writer) -> None:
        """The file has the whole body."""
        raise NotImplementedError

    def discard(self, writer: Writer) -> None:
        """The file is of no use, unless it has been committed."""
        raise NotImplementedError

    async def write_body(
        self, exchange: ResponseSide, response: PeerResponse, writer: Writer
    ) -> Status:
        """Writes the body to the file and the client, to the end even if the client goes."""
        self.writer = writer
        exchange.r.ignore_abort = True
        whole = response.body
        if whole is None:
            return await self._write_stream(exchange, response, writer)
        writer.write(whole)
        self.commit(exchange, writer)
        sent = exchange.send_body(response)
        return sent if isinstance(sent, int) else await sent

    async def _write_stream(
        self, exchange: ResponseSide, response: PeerResponse, writer: Writer
    ) -> Status:
        r, connection = exchange.r, exchange.connection
        assert connection is not None
        total, client = 0, Follower(r, writer)
        self.client = client
        if r.header_only:
            r.sink.flush()
        try:
            while (data := await connection.read()) is not None:
                total += len(data)
                if not writer.write(data) and client.needs_file:
                    return _give_up(exchange)
                client.take(data)
                if writer.failed and r.sink.paused:
                    await r.sink.drain()
        except UpstreamError as error:
            exchange.failed(error)
            exchange.state.response_length = total
            exchange.leave(failed=False)
            await client.finish()
            r.sink.abort()
            return DONE
        exchange.finished(total)
        if response.length in (-1, total) or exchange.out.is_head:
            self.commit(exchange, writer)
        await client.finish()
        r.trailers = tuple(response.trailers)
        return r.finish()

    def close(self) -> None:
        """Lets go of what an abandoned exchange still holds."""
        if self.writer is not None:
            self.discard(self.writer)
        if self.client is not None:
            self.client.close()


def _give_up(exchange: ResponseSide) -> Status:
    """The disk failed, and the client can get the rest from nowhere else."""
    exchange.leave(failed=False)
    if exchange.r.header_only:
        return exchange.r.finish()
    exchange.r.sink.abort()
    return DONE
