"""What the journal holds, written to files for other programs: CSV, Parquet and line protocol.

Promises: every series and time once, with the values that InfluxDB would hold; files that appear whole or not at all;
memory of one day of one gateway, however long the history;
the ledger's hours beside them. Refuses: to ask InfluxDB, to overwrite anything, and to
export what is computed elsewhere (roll-ups, and the collector's own figures).
"""
