"""Time: a gateway's wall clock, UTC, and local days. Pure.

Promises: an instant is nanoseconds since 1970 in UTC; a time stamp that is no date raises ValueError; every local day
of a zone has a beginning, also where its midnight does not exist. Refuses: to ask what time it is now; whoever needs it
takes it at the edge and hands it on.
"""
