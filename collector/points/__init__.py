"""From a record to points: measurements, tags, fields and times as InfluxDB gets them. Pure.

Promises: the same record and names always give the same points; what a record does not say is absent, never zero; a
part that can't be read costs that part and is named. Refuses: to know where records come from or where points go.
"""
