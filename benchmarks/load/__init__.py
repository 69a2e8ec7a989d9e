"""A load server: OPC UA over a real socket, canned bytes, an exact account of what it put out."""
