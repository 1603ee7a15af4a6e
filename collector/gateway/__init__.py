"""The side that gateways see: sockets, who may connect, what is stored, and what is answered.

Promises: a message is acknowledged only after the journal has synced it; a reply is one of those that are listed in
docs/protocol.md, or none; one peer can't take all connections or all memory. Refuses: to decode readings, and to wait
for anything but the journal.
"""
