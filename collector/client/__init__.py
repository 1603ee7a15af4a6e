"""The gateway's side of the wire: what it sends, what it makes of an answer, and its steps on the network.

Promises: as strict as the firmware is that a caller names, for a simulated gateway as for the mirror of a real one;
nothing here comes from the collector's own answers, so that either can contradict the other. Refuses: to carry out a
command, whatever comes in reply, and to read on without an end.
"""
