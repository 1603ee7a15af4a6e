"""The wire of TCP 8995, 8996 and 8997 without sockets, files or clocks: bytes in, events and answers out.

docs/protocol.md describes it. Promises: what is not understood is named and never raises out of a decoder; replies come
from one closed list (`answers`). Refuses: to guess where the wire is silent, and to send what the list does not have.
"""
