"""Each kind of condition (segments/rules/kinds.py) is a module here, or what several share."""
