"""Where the owner's data go besides InfluxDB: each output is a module or a folder of its own, and knows no other.

Promises: an output may fail, hang or be refused for as long as it likes, and neither a gateway's answer nor InfluxDB's
points wait for it; each works without InfluxDB, from the journal; each says of itself whether it is well and what would
help (`OutputHealth`). Refuses: to be told of records one by one. What comes is read from the journal behind a cursor,
when there is time, and what an output has of old is replaced by what is new.
"""
