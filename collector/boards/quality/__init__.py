"""The board `solar-quality`: is every record there, on time, with a right clock, and is the collector well?

Refuses: judging what the panels give.
"""
