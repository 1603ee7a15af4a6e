"""The yardstick: SQLite alone, one record's bytes a transaction, with the journal's pragmas and nothing else.

`python -m benchmarks.bare FILE SECONDS` prints commits per second.
"""

import json
import sqlite3
import sys
import time

from benchmarks.site import household_frame


def main(file: str, seconds: float) -> None:
    """Commit for so long."""
    frame = household_frame("216000000000").encode()
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("create table record (id integer primary key, raw blob not null)")
    commits = 0
    began = now = time.perf_counter()
    while now - began < seconds:
        # Outside a transaction each statement is one.
        db.execute("insert into record (raw) values (?)", (frame,))
        commits += 1
        now = time.perf_counter()
    db.close()
    print(json.dumps(commits / (now - began)))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
