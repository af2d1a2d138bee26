"""How long a server waits for a client, and how much it reads at once."""

HEAD, BODY, STUCK = 10.0, 30.0, 30.0
"""Seconds for a head, for a body, and for a client to read `PIECE` of an answer."""
PIECE = 16 << 10
"""Bytes that are read at once, instead of asyncio's 256 KiB, and that a client has to read in `STUCK` seconds."""
