"""One client's connection: feeds its session, sends what the session says. The I/O shell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from protocol.errors import Code, ProtocolError
from protocol.messages import Goodbye, Position, Query
from pyzsync_daemon.budget import Budget
from pyzsync_daemon.hub.counters import Traffic
from pyzsync_daemon.hub.log import Cursor, Page
from pyzsync_daemon.hub.outbox import Outbox
from pyzsync_daemon.hub.session import Follow, HubFacts, HubSession, Phase, Start
from pyzsync_daemon.transport import decode
from pyzsync_daemon.weight import weight

ANSWERS = 256 * 1024  # bytes of answers made ready at a time: bounds what a connection holds
STALL = 1.0  # seconds after which a client that takes nothing no longer holds up the others


@dataclass(frozen=True, slots=True)
class Services:
    """What all connections share. The callables may be called by any number at once."""

    facts: HubFacts
    start: Callable[[Position | None], Awaitable[tuple[Cursor, bool]]]
    follow: Callable[[Cursor], Awaitable[Page]]
    answer: Callable[[Query], Awaitable[tuple[bytes, ...]]]
    budget: Budget
    traffic: Traffic
    send_timeout: float  # seconds until a client that does not read is disconnected
    greeting_timeout: float = 10.0  # seconds until a connection that says nothing is closed


class Connection:
    """Runs until either side closes. Errors of the peer end it with a ``Goodbye``, never more."""

    def __init__(self, services: Services, websocket: ServerConnection) -> None:
        self.session = HubSession(services.facts)
        self._services = services
        self._websocket = websocket
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._log = structlog.get_logger().bind(peer=_peer(websocket))

    def published(self) -> None:
        """The announcement log has grown."""
        self.session.published()
        self._wake.set()

    def close(self, goodbye: Goodbye) -> None:
        """Say goodbye as soon as what is being sent has been sent."""
        self.session.close(goodbye)
        self._wake.set()

    async def run(self) -> None:
        """Serve the client until the conversation ends."""
        reader = asyncio.create_task(self._read())
        try:
            with suppress(ConnectionClosed):  # the peer is gone, which is an end like any other
                await self._write()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._report()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._services.greeting_timeout) as greeting:
                async for frame in self._websocket:
                    for message in decode(frame):
                        self.session.receive(message)
                    greeting.reschedule(None)
                    self._wake.set()
            self.session.close(Goodbye(Code.NORMAL))
        except ConnectionClosed:
            self.session.close(Goodbye(Code.NORMAL))
        except TimeoutError:
            self.session.close(Goodbye(Code.SLOW_CLIENT, "no Hello came in time"))
        except Exception as error:
            self._fail(error)
        finally:
            self._wake.set()

    async def _write(self) -> None:
        while self.session.phase is not Phase.CLOSED:
            self._wake.clear()
            try:
                await self._serve()
            except ConnectionClosed:
                raise
            except Exception as error:
                self._fail(error)
        await self._tell()
        await self._websocket.close()

    def _fail(self, error: Exception) -> None:
        """End this conversation, and no other, with a goodbye that says whose fault it is."""
        if isinstance(error, ProtocolError):
            self.session.close(Goodbye(error.code, error.detail, error.retry_after_ms))
            return
        self._log.error("a client could not be served", exc_info=error)
        self.session.close(Goodbye(Code.INTERNAL, "the hub failed; its log says how"))

    async def _serve(self) -> None:
        """Announcements first, then answers: a pull of 10 GB does not delay news by more than a
        few of its block sets."""
        session = self.session
        for effect in session.take_effects():
            await self._perform(effect)
        await self._tell()
        queries = session.take_queries(ANSWERS)
        if queries:
            await self._answer(queries)
        elif not session.has_news and session.phase is not Phase.CLOSED:
            await self._wake.wait()

    async def _tell(self) -> None:
        """Send what the session says by itself."""
        self._outbox.say(self.session.take_messages())
        if self._outbox.bytes:
            async with self._services.budget.hold(self._outbox.bytes) as give_back:
                await self._flush(give_back)

    async def _answer(self, queries: list[Query]) -> None:
        """Make answers and send them. They count against the budget of all from before they are
        made, by their weight, until they are sent."""
        async with self._services.budget.hold(sum(map(weight, queries))) as give_back:
            answers = await asyncio.gather(*map(self._services.answer, queries))
            self._outbox.put(chain.from_iterable(answers))
            await self._flush(give_back)

    async def _perform(self, effect: Start | Follow) -> None:
        match effect:
            case Start():
                self.session.started(*await self._services.start(effect.position))
            case Follow():
                self.session.followed(await self._services.follow(effect.cursor))

    async def _flush(self, give_back: Callable[[], None]) -> None:
        """Send what is queued, and give the budget back when a frame stalls: from then on a client
        that does not read costs its own queue, and nobody waits for it."""
        traffic = self._services.traffic
        while (frame := self._outbox.next_frame()) is not None:
            stalled = asyncio.get_running_loop().call_later(STALL, give_back)
            try:
                async with asyncio.timeout(self._services.send_timeout):
                    await self._websocket.send(frame)
                traffic.frames += 1
                traffic.bytes += len(frame)
            except TimeoutError:
                traffic.slow_cut += 1
                self.session.close(Goodbye(Code.SLOW_CLIENT, "did not read in time"))
                self._websocket.transport.abort()  # a goodbye would only queue behind the rest
                return
            finally:
                stalled.cancel()

    def _report(self) -> None:
        goodbye = self.session.goodbye or Goodbye(Code.NORMAL)
        level = (
            self._log.info if goodbye.code in (Code.NORMAL, Code.DRAINING) else self._log.warning
        )
        level("client left", code=goodbye.code.name, reason=goodbye.detail)


def _peer(websocket: ServerConnection) -> str:
    address = websocket.remote_address
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
