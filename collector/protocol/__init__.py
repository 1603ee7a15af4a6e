"""The wire of TCP 8995, 8996 and 8997 without sockets, files or clocks: bytes in, events and answers out.

docs/protocol.md describes it.
"""
