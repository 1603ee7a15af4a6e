"""Backups: one file that holds journal and configuration, and the way back from it.

Promises: a backup is read back before it gets its name; it holds no secret; a restore overwrites nothing and ends whole
or not at all. Refuses: to keep InfluxDB, which is filled again from the journal.
"""
