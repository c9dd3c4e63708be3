"""Each released version's data, brought to this one: a dump of each, for ever after."""
