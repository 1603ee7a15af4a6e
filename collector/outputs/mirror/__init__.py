"""The mirror: hands the vendor's cloud the records of gateways, after they are safe, as a gateway would.

Promises: the bytes are those that the gateway sent; a record counts as stored there only when its own time stamp came
back; a gateway has one connection at a time, its newest record goes first, and an outage is waited out with patience;
nothing that the cloud sends ever reaches a gateway, and what acknowledges nothing is kept and told. Refuses: to poll
for commands, to use any port for updates, to send to this collector itself, and to be switched on by default.
"""
