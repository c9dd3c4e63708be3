"""The sandbox's people: found, merged, changed, exported."""
