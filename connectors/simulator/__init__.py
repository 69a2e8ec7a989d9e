"""The simulated fleet: a timeline, real OPC UA servers that speak it, and its truth."""
