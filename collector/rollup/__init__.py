"""What each local day adds up to, computed by InfluxDB from what it holds, in a bucket of its own.

Promises: a day's roll-up is a function of what InfluxDB has of that day and of the last readings before it, and of the
owner's tariffs, so records may come in any order, twice, or years late; an energy that can't be is not summed, and an
event says so; a day of which InfluxDB has no points any more keeps the roll-up that it has. Refuses: to carry anything
on from one computation to the next.
"""
