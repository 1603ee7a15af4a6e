"""Writing InfluxDB's points of journal records again: after a better decoder, a new name or zone, or a lost bucket.

Promises: a span is noted in the journal and synced before its points are deleted, and its records count as waiting
until they are written again, so that being cut off anywhere costs time only. Refuses: to delete what the journal can't
give back, and to hold up live records.
"""
