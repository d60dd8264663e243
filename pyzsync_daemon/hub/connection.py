"""One client's connection: feeds its session, sends what the session says. The I/O shell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import structlog
from websockets.frames import CloseCode

from protocol.errors import Code, ProtocolError
from protocol.limits import MAX_FRAME
from protocol.messages import DeltaQuery, Goodbye, Position, Query
from pyzsync_daemon.budget import Budget
from pyzsync_daemon.hub.counters import Traffic
from pyzsync_daemon.hub.log import Cursor, Page
from pyzsync_daemon.hub.outbox import Outbox
from pyzsync_daemon.hub.session import Follow, HubFacts, HubSession, Phase, Start
from pyzsync_daemon.hub.socket import Socket
from pyzsync_daemon.transport import WEBSOCKET, decode
from pyzsync_daemon.weight import weight

ANSWERS = 256 * 1024  # bytes of answers made ready at a time: bounds what a connection holds
SOCKET = WEBSOCKET["write_limit"] + MAX_FRAME  # bytes of one client that may wait in its socket
STALL = 1.0  # seconds after which a client that takes nothing no longer holds up the others


@dataclass(frozen=True, slots=True)
class Services:
    """What all connections share. The callables may be called by any number at once.

    News has a budget of its own: it does not queue behind block sets.
    """

    facts: HubFacts
    start: Callable[[Position | None], Awaitable[tuple[Cursor, bool]]]
    follow: Callable[[Cursor, bool], Awaitable[Page]]  # true: a bare page, without pushes
    answer: Callable[[list[Query]], Awaitable[list[tuple[bytes, ...]]]]
    news: Budget
    answers: Budget
    traffic: Traffic
    send_timeout: float  # seconds until a client that does not read is disconnected
    greeting_timeout: float = 10.0  # seconds until a connection that says nothing is closed


class Connection:
    """Runs until either side closes. Errors of the peer end it with a ``Goodbye``, never more."""

    def __init__(self, services: Services, socket: Socket) -> None:
        self.session = HubSession(services.facts)
        self._socket = socket
        self._services = services
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._greeting: asyncio.TimerHandle | None = None  # when its patience ends
        self._idle = False  # nothing is being done, sent or made
        self._slow = False  # it stalled, and has not taken its news since

    @property
    def unsent(self) -> int:
        """Bytes that its socket has not taken yet."""
        return self._socket.unsent

    def takes(self, cursor: Cursor) -> bool:
        """Whether the page at ``cursor`` may be put into its socket at once, in one turn of the
        loop: it is what the client awaits, and nothing else is on its way."""
        free = self._idle and not self._wake.is_set() and not self._slow
        return free and self.session.awaits(cursor) and not self.unsent

    def tell(self, page: Page) -> None:
        """Put a page that it ``takes`` into its socket."""
        self._socket.put(page.frames)
        self.session.told(page)

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
        loop = asyncio.get_running_loop()
        self._greeting = loop.call_later(self._services.greeting_timeout, self._unheard)
        try:
            self._socket.listen(self)
            await self._write()
        finally:
            self._greeted()
            self._report()

    # --- what its socket tells -----------------------------------------------------------------

    def heard(self, frame: bytes | str) -> None:
        """A frame has come. Most are an Ack, which leads to nothing here."""
        if self.session.phase is Phase.CLOSED:
            return
        try:
            for message in decode(frame):
                self.session.receive(message)
        except Exception as error:
            self._fail(error)
        self._greeted()
        if not self.session.idle:
            self._wake.set()

    def lost(self) -> None:
        """The connection has gone. If we ended it, a ping was not answered: the client does not
        read, or is not there any more."""
        sent = self._socket.protocol.close_sent
        unanswered = sent is not None and sent.code == CloseCode.INTERNAL_ERROR
        self._services.traffic.slow_cut += unanswered
        silent = Goodbye(Code.SLOW_CLIENT, "did not answer in time")
        self._outbox.clear()
        self.close(silent if unanswered else Goodbye(Code.NORMAL))

    def _unheard(self) -> None:
        self.close(Goodbye(Code.SLOW_CLIENT, "no Hello came in time"))

    def _greeted(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None

    async def _write(self) -> None:
        while self.session.phase is not Phase.CLOSED:
            self._wake.clear()
            try:
                await self._serve()
            except Exception as error:
                self._fail(error)
        await self._tell()
        await self._socket.close()

    def _fail(self, error: Exception) -> None:
        """End this conversation, and no other, with a goodbye that says whose fault it is."""
        if isinstance(error, ProtocolError):
            self.session.close(Goodbye(error.code, error.detail, error.retry_after_ms))
            return
        self._log().error("a client could not be served", exc_info=error)
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
        elif session.idle:
            self._idle = True
            await self._wake.wait()
            self._idle = False

    async def _tell(self) -> None:
        """Send what the session says by itself."""
        self._outbox.say(self.session.take_messages())
        if self._outbox.bytes:
            # However much is queued: its bytes are everyone's, but for what the socket holds.
            size = min(self._outbox.bytes, SOCKET)
            async with self._services.news.hold(size) as give_back:
                self._slow = not await self._flush(give_back)

    async def _answer(self, queries: list[Query]) -> None:
        """Make answers and send them. They count against the budget of all from before they are
        made, by their weight, until they are sent.

        Not so a delta, which may be searched for as long as others' files take to send; of these a
        connection makes one at a time.
        """
        made: list[tuple[bytes, ...]] = []
        for slow in filter(_is_slow, queries):
            made += await self._services.answer([slow])
        async with self._services.answers.hold(sum(map(weight, queries))) as give_back:
            made += await self._services.answer([each for each in queries if not _is_slow(each)])
            self._outbox.put(chain.from_iterable(made))
            await self._flush(give_back)

    async def _perform(self, effect: Start | Follow) -> None:
        match effect:
            case Start():
                self.session.started(*await self._services.start(effect.position))
            case Follow():
                page = await self._services.follow(effect.cursor, self._slow)
                self._services.traffic.pushes_dropped += self._slow and bool(page.frames)
                self.session.followed(page)

    async def _flush(self, give_back: Callable[[], None]) -> bool:
        """Send what is queued; False if the client was slow to take it."""
        prompt = True
        while frames := self._outbox.take(WEBSOCKET["write_limit"]):
            for frame in frames:
                self._services.traffic.count(frame)
            self._socket.put(frames)
            if self._socket.paused:
                prompt &= await self._drain(give_back)
        return prompt

    async def _drain(self, give_back: Callable[[], None]) -> bool:
        """Wait until there is room in the socket; False if that takes longer than ``STALL``.

        From then on the budget is free: a client that does not read costs its own queue, and
        nobody waits for it. One that goes on so is cut.
        """
        stalled = False

        def stall() -> None:
            nonlocal stalled
            stalled = True
            give_back()

        alarm = asyncio.get_running_loop().call_later(STALL, stall)
        try:
            async with asyncio.timeout(self._services.send_timeout):
                with suppress(OSError):  # it is gone, as ``lost`` was told
                    await self._socket.drain()
        except TimeoutError:
            self._services.traffic.slow_cut += 1
            self.session.close(Goodbye(Code.SLOW_CLIENT, "did not read in time"))
            self._outbox.clear()
            self._socket.transport.abort()  # a goodbye would only queue behind the rest
        finally:
            alarm.cancel()
        return not stalled

    def _report(self) -> None:
        goodbye = self.session.goodbye or Goodbye(Code.NORMAL)
        log = self._log()
        level = log.info if goodbye.code in (Code.NORMAL, Code.DRAINING) else log.warning
        level("client left", code=goodbye.code.name, reason=goodbye.detail)

    def _log(self) -> structlog.stdlib.BoundLogger:
        logger: structlog.stdlib.BoundLogger = structlog.get_logger()
        return logger.bind(peer=_peer(self._socket))


def _is_slow(query: Query) -> bool:
    return isinstance(query, DeltaQuery)


def _peer(socket: Socket) -> str:
    address = socket.remote_address
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
