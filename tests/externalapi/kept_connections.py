"""The engine's way over a line that is open: written at once, picked up when there."""

import select

from externalapi.http import wire
from externalapi.http.client import lost
from externalapi.http.multiplexed import ERRORS, MultiplexedConnections


class KeptConnections(MultiplexedConnections):
    """Opens a line beforehand where there is none, so that each request finds one."""

    def send(self, request, key):
        self.open(request, key)
        flight = self.begin(request, key)
        if flight is None:
            return super().send(request, key)
        while flight.is_written and not flight.is_odd:
            if flight.is_late:
                raise flight.give_up()
            if select.select([flight], [], [], 0.01)[0] and (answer := flight.poll()):
                return answer
        return flight.finish()

    def open(self, request, key):
        flight = self._prepare(request, key)
        wire.current.exchange = flight.exchange
        line = flight.line
        try:
            if line.sock is None:
                line.connect()
                line.idle_since = flight.exchange.started
        except ERRORS as e:
            raise lost(flight.exchange) from e
        finally:
            flight.pool._put_conn(line)
