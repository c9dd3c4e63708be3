"""One workspace of Braze: who and what it knows, and what is still to be applied."""

from collections.abc import Callable

from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted, Backlog
from externalapi.vendors.braze.sandbox.runtime.options import Options
from externalapi.vendors.braze.sandbox.users.store import Store

Apply = Callable[[Store, Accepted], None]


class Workspace:
    def __init__(self, options: Options, apply: Apply) -> None:
        self.options = options
        self.known = options.known
        self._store = Store(options.known)
        self.backlog = Backlog(lambda request: apply(self._store, request))

    @property
    def store(self) -> Store:
        """The people, with everything applied that was accepted so far."""
        self.backlog.apply_all()
        return self._store
