"""The journal: every frame's own bytes in one SQLite file, kept for decades.

Promises: what `writing.Journal.append` returned from is synced to the disk and outlasts a crash or a power cut; what it
could not read is kept as well; nothing that is not delivered is ever purged; a file of an earlier version is brought
up to date, one of a later version is left alone; a sign of life (`beat`) is one of a process that has not ended.
Refuses: to decode what it keeps, to answer anybody, and to be changed by whoever reads it (`reading.JournalReader`
can't write). Everything blocks, but for `threaded`, which puts it behind trio.
"""
