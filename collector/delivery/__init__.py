"""What brings records to InfluxDB: decode, send in batches, mark as delivered, and wait out what is down.

Promises: a record is marked only after InfluxDB confirmed its points, so that nothing is lost by a crash anywhere; what
InfluxDB refuses for good is set aside with its reason and the rest goes on; live records go before repairs. Refuses: to
touch what no replay has named, and to keep a gateway waiting.
"""
