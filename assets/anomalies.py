"""Models as assets: a detector per machine, its events, and the report a factory engineer reads."""
