"""A flood of events against servers that enforce what the robots enforce."""
