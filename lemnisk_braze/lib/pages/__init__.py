"""Pages that all apps share: the question before something is done or deleted, charts."""
