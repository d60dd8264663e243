"""What the hub does with one client, without doing it: messages and results in, effects out.

    phase       accepts from the client     leaves by
    ---------   -------------------------   --------------------------------------------
    GREETING    Hello, Goodbye              Hello      -> STARTING
    STARTING    Goodbye                     started()  -> FOLLOWING (Welcome is sent)
    FOLLOWING   Get, Ack, Goodbye           a Goodbye of either side -> CLOSED
    CLOSED      nothing

The announcements a client has yet to see take no memory: the session holds a cursor into the
announcement log and asks for the next page when the last one has been sent, so a slow client is
told of each path once, with its latest state. Queries wait here, undecided, until the connection
has room for their answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from protocol.errors import Code, ProtocolError, TooLarge, UnexpectedMessage
from protocol.limits import PROTOCOL
from protocol.messages import (
    Ack,
    Get,
    Goodbye,
    Hello,
    Message,
    Position,
    Query,
    Welcome,
)
from pyzsync_daemon.hub.log import Cursor, Live, Page
from pyzsync_daemon.weight import weight


class Phase(Enum):
    """Where the conversation is."""

    GREETING = "greeting"
    STARTING = "starting"
    FOLLOWING = "following"
    CLOSED = "closed"


ACCEPTS: dict[Phase, tuple[type, ...]] = {
    Phase.GREETING: (Hello, Goodbye),
    Phase.STARTING: (Goodbye,),
    Phase.FOLLOWING: (Get, Ack, Goodbye),
    Phase.CLOSED: (),
}


@dataclass(frozen=True, slots=True)
class Start:
    """Wanted: where in the log a client at this position begins. Answer: ``started``."""

    position: Position | None


@dataclass(frozen=True, slots=True)
class Follow:
    """Wanted: the log's next page. Answer: ``followed``."""

    cursor: Cursor


Effect = Start | Follow


@dataclass(frozen=True, slots=True)
class HubFacts:
    """What a Welcome says of the hub."""

    agent: str
    identity: bytes
    view: bytes
    requests: int


class HubSession:
    """One client's conversation."""

    def __init__(self, hub: HubFacts) -> None:
        self.phase = Phase.GREETING
        self.agent = ""
        self.acknowledged = 0  # the client's low watermark, a seq
        self.goodbye: Goodbye | None = None
        self._hub = hub
        self._cursor: Cursor | None = None
        self._behind = True  # the log may have more than the cursor has seen
        self._following = False  # a page is being made or sent
        self._queries: list[Query] = []  # few; an idle client's empty deque would take 600 bytes
        self._messages: list[Message | bytes] = []
        self._effects: list[Effect] = []

    # --- in ------------------------------------------------------------------------------------

    def receive(self, message: Message) -> None:
        """A message has come. Raises ``ProtocolError`` when the conversation cannot go on."""
        if not isinstance(message, ACCEPTS[self.phase]):
            raise UnexpectedMessage(self.phase.value, type(message).__name__)
        match message:
            case Hello():
                self._greet(message)
            case Get():
                self._queries.extend(message.queries)
                self._check_waiting()
            case Ack():
                self.acknowledged = max(self.acknowledged, message.seq)
            case Goodbye():
                self._end(message)

    def started(self, cursor: Cursor, resumed: bool) -> None:
        """The log has a place for this client."""
        if self.phase is not Phase.STARTING:
            return
        self.phase = Phase.FOLLOWING
        self._cursor = cursor
        if isinstance(cursor, Live):  # it said itself that it is so far
            self.acknowledged = cursor.seq
        hub = self._hub
        self._messages.append(
            Welcome(PROTOCOL, (), hub.agent, hub.identity, hub.view, resumed, hub.requests)
        )

    def followed(self, page: Page) -> None:
        """The next page of the log; its bytes are shared with all clients at this place."""
        self._following = False
        if self.phase is Phase.FOLLOWING:
            self._cursor = page.cursor
            self._behind = self._behind or page.more
            self._messages.extend(page.frames)

    def awaits(self, cursor: Cursor) -> bool:
        """Whether the page at ``cursor`` is what this client is to be sent next."""
        ready = self.phase is Phase.FOLLOWING and not self._following
        return ready and self._cursor == cursor and not (self._messages or self._queries)

    def told(self, page: Page) -> None:
        """The page that it awaited was sent."""
        self._cursor = page.cursor
        self._behind = page.more

    def published(self) -> None:
        """The log has grown."""
        self._behind = True

    def close(self, goodbye: Goodbye) -> None:
        """Say goodbye; nothing is accepted after it."""
        if self.phase is not Phase.CLOSED:
            self._end(goodbye)
            self._messages.append(goodbye)

    # --- out -----------------------------------------------------------------------------------

    def take_messages(self) -> list[Message | bytes]:
        """What to send now, in order; bytes are whole frames that many are sent."""
        messages, self._messages = self._messages, []
        return messages

    @property
    def has_news(self) -> bool:
        """There is something to send or to do, beside answers."""
        return bool(self._messages or self._effects or self._wants_page)

    @property
    def arriving(self) -> bool:
        """It has not been welcomed yet."""
        return self.phase in (Phase.GREETING, Phase.STARTING)

    @property
    def idle(self) -> bool:
        """There is nothing to do until a message comes or the log grows."""
        return self.phase is not Phase.CLOSED and not (self.has_news or self._queries)

    @property
    def waiting(self) -> int:
        """Queries that were not taken yet."""
        return len(self._queries)

    def take_effects(self) -> list[Effect]:
        """What to do now. Call it when all that was taken before is sent: pages come one by one."""
        if self._wants_page and self._cursor is not None:
            self._behind, self._following = False, True
            self._effects.append(Follow(self._cursor))
        effects, self._effects = self._effects, []
        return effects

    def take_queries(self, max_bytes: int) -> list[Query]:
        """The oldest queries whose answers take about ``max_bytes``, and at least one if any."""
        taken: list[Query] = []
        size = 0
        while self._queries and size < max_bytes:
            query = self._queries.pop(0)
            taken.append(query)
            size += weight(query)
        return taken

    # --- inside --------------------------------------------------------------------------------

    @property
    def _wants_page(self) -> bool:
        return self.phase is Phase.FOLLOWING and self._behind and not self._following

    def _check_waiting(self) -> None:
        """A pushed hashlist may cross the query that it answers: a client that takes it for the
        answer asks the next one early, so twice as many are borne as were allowed."""
        limit = 2 * self._hub.requests
        if len(self._queries) > limit:
            raise TooLarge("number of waiting queries", len(self._queries), limit)

    def _end(self, goodbye: Goodbye) -> None:
        self.phase = Phase.CLOSED
        self.goodbye = goodbye
        self._cursor = None
        self._queries.clear()
        self._effects.clear()

    def _greet(self, hello: Hello) -> None:
        if PROTOCOL not in hello.protocols:
            raise ProtocolError(
                Code.UNSUPPORTED_PROTOCOL,
                f"this hub speaks protocol {PROTOCOL}, the client {list(hello.protocols)}",
            )
        if hello.hub and hello.hub != self._hub.identity:
            raise ProtocolError(
                Code.WRONG_HUB,
                f"this is hub {self._hub.identity.hex()[:16]}, "
                f"the client follows {hello.hub.hex()[:16]}",
            )
        self.agent = hello.agent
        self.phase = Phase.STARTING
        self._effects.append(Start(hello.position))
