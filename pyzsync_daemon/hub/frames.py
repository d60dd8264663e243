"""The hub's answers, encoded once and kept: a thousand equal requests cost one read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from protocol.codec import encode
from protocol.errors import Code
from protocol.messages import BlockQuery, DeltaQuery, Failed, HashQuery, Query
from pyzsync_daemon.flights import Flights
from pyzsync_daemon.hub.kept import Kept
from pyzsync_daemon.hub.wholes import asks_for_little

# What an entry costs besides its frames: the query, its packed runs and the tables' slots. Counted
# so that a million one-line files cannot take many times the bound.
ENTRY_OVERHEAD = 512

# Deltas under way. They are made one after the other, each in up to some seconds: who asks for one
# more does without it, and is level sooner. So nobody can have the others wait for hours.
SEARCHES = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """The encoded messages that answer one query.

    ``lasting``: a function of the query alone, so it may be kept. A failure, or a block set of
    which leaves are gone, holds only for the moment. ``refusal``: there is no delta, and never
    will be.
    """

    frames: tuple[bytes, ...] = field(repr=False)
    lasting: bool = True
    refusal: bool = False


KeptAnswers: TypeAlias = Kept[Query, Answer]


def keep_answers(max_bytes: int) -> KeptAnswers:
    """Room for answers; their topic is the version that they are for."""
    return Kept(max_bytes, _size, _version)


class FrameCache:
    """Answers by query: what is ``kept``, else what ``answers`` says.

    ``answers`` runs in ``executor`` (for deltas, which may take seconds, in ``slow``), once for all
    equal queries in flight; who stops waiting does not stop it for the others. ``refused`` counts
    those that were told to do without a delta. Used from one event loop.
    """

    def __init__(
        self,
        kept: KeptAnswers,
        executor: Executor,
        answers: Callable[[Sequence[Query]], list[Answer]],
        slow: Executor | None = None,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self.coalesced = 0
        self.refused = 0
        self._kept = kept
        self._executor = executor
        self._slow = slow or executor
        self._answers = answers
        self._flights: Flights[Query, Answer] = Flights()
        self._searches = 0

    async def get(self, query: Query) -> tuple[bytes, ...]:
        """Return the encoded messages that answer ``query``; raise what ``answer`` raised."""
        if isinstance(query, DeltaQuery) and query.first:
            whole = await self.get(replace(query, first=0))
            return whole[query.first :] or whole
        kept = self._kept.get(query)
        if kept is not None:
            self.hits += 1
            return kept.frames
        if self._flights.under_way(query):
            self.coalesced += 1
        elif isinstance(query, DeltaQuery) and self._searches == SEARCHES:
            self.refused += 1
            return (encode(Failed(query, Code.NO_DELTA)),)
        else:
            self.misses += 1
        return (await self._flights.join(query, lambda: self._launch(query))).frames

    async def get_all(self, queries: Sequence[Query]) -> list[tuple[bytes, ...]]:
        """The same for several, at once. What asks for little and is nowhere yet crosses the
        threads together: to wake one takes longer than to read a small file."""
        wanted = dict.fromkeys(queries)
        kept = ((each, self._kept.get(each)) for each in wanted)
        made: dict[Query, tuple[bytes, ...]] = {
            each: answer.frames for each, answer in kept if answer is not None
        }
        self.hits += len(made)
        lacking = [each for each in wanted if each not in made]
        little = [each for each in lacking if self._begins_little(each)]
        others = list(dict.fromkeys(lacking).keys() - set(little))
        work = self._launch_all(little)  # in this very turn: who comes next finds it under way
        rest = await asyncio.gather(*map(self.get, others))
        made.update(zip(others, rest, strict=True))
        for each, answer in zip(little, await asyncio.shield(work), strict=True):
            made[each] = answer.frames
        return [made[each] for each in queries]

    def _begins_little(self, query: Query) -> bool:
        return asks_for_little(query) and not self._flights.under_way(query)

    def _launch_all(self, queries: list[Query]) -> asyncio.Future[list[Answer]]:
        loop = asyncio.get_running_loop()
        if not queries:
            nothing: asyncio.Future[list[Answer]] = loop.create_future()
            nothing.set_result([])
            return nothing
        self.misses += len(queries)
        work = loop.run_in_executor(self._executor, self._make_all, queries)
        self._flights.begin(queries, work)
        return work

    def _launch(self, query: Query) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        if not isinstance(query, DeltaQuery):
            return loop.run_in_executor(self._executor, self._make, query)
        search = loop.run_in_executor(self._slow, self._make, query)
        self._searches += 1
        search.add_done_callback(self._searched)
        return search

    def _searched(self, _: asyncio.Future[Answer]) -> None:
        self._searches -= 1

    def _make(self, query: Query) -> Answer:
        (answer,) = self._make_all([query])
        return answer

    def _make_all(self, queries: list[Query]) -> list[Answer]:
        answers = self._answers(queries)
        for query, answer in zip(queries, answers, strict=True):
            if answer.lasting:
                self._kept.put(query, answer)
        return answers


def _size(answer: Answer) -> int:
    return ENTRY_OVERHEAD + sum(map(len, answer.frames))


def _version(query: Query) -> bytes:
    match query:
        case HashQuery() | BlockQuery():
            return query.version
        case DeltaQuery():
            return query.new
        case _:
            return b""
