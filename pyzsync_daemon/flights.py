"""Single flight: what many want at the same time is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Flights(Generic[K, V]):
    """Work under way, by what it is for. Used from one event loop."""

    def __init__(self) -> None:
        self._flying: dict[K, asyncio.Future[V]] = {}

    def under_way(self, key: K) -> bool:
        """Whether somebody waits for it already."""
        return key in self._flying

    async def join(self, key: K, launch: Callable[[], asyncio.Future[V]]) -> V:
        """The result of what flies for ``key``, which ``launch`` starts if nothing does.

        Who stops waiting does not stop it for the others. Raises what it raised.
        """
        flight = self._flying.get(key)
        if flight is None:
            flight = self._flying[key] = launch()
            # Added before any waiter's, so it runs first: who then asks again starts anew.
            flight.add_done_callback(lambda landed: self._landed(key, landed))
        return await asyncio.shield(flight)

    def begin(self, keys: Sequence[K], work: asyncio.Future[list[V]]) -> None:
        """``work`` has the results for several keys, in order; nothing is under way for them."""
        flights: dict[K, asyncio.Future[V]] = {key: work.get_loop().create_future() for key in keys}
        self._flying.update(flights)
        work.add_done_callback(lambda done: self._all_landed(flights, done))

    def _all_landed(
        self, flights: dict[K, asyncio.Future[V]], work: asyncio.Future[list[V]]
    ) -> None:
        error = None if work.cancelled() else work.exception()
        results: Sequence[V] = () if work.cancelled() or error else work.result()
        for number, (key, flight) in enumerate(flights.items()):
            if error is not None:
                flight.set_exception(error)
            elif results:
                flight.set_result(results[number])
            else:
                flight.cancel()
            self._landed(key, flight)

    def _landed(self, key: K, flight: asyncio.Future[V]) -> None:
        del self._flying[key]
        if not flight.cancelled():
            flight.exception()  # seen, even when every waiter has left
