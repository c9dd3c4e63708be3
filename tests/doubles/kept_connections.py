"""The engine's way over a connection that is open: written at once, picked up when there."""

import select

from externalapi.http import wire
from externalapi.http.client import lost
from externalapi.http.multiplexed import ERRORS, MultiplexedConnections


class KeptConnections(MultiplexedConnections):
    """Opens a connection beforehand where there is none, so that each request finds one."""

    def send(self, request, key):
        self.open(request, key)
        pending = self.begin(request, key)
        if pending is None:
            return super().send(request, key)
        while pending.is_written and not pending.is_odd:
            if pending.is_late:
                raise pending.give_up()
            if select.select([pending], [], [], 0.01)[0] and (answer := pending.poll()):
                return answer
        return pending.finish()

    def open(self, request, key):
        pending = self._prepare(request, key)
        wire.current.exchange = pending.exchange
        connection = pending.connection
        try:
            if connection.sock is None:
                connection.connect()
                connection.idle_since = pending.exchange.started
        except ERRORS as e:
            raise lost(pending.exchange) from e
        finally:
            pending.pool._put_conn(connection)
