"""The data port: aiohttp's low-level server, hardened, and the reading and writing of its messages."""
