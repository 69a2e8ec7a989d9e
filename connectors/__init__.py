"""Every contact with the outside world: OPC UA, files, the lake, releases, reports."""
