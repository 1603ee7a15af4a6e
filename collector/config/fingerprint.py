"""What InfluxDB was last written with, as the journal keeps it: digits of the names, and what records were decoded to.

Pure, and apart from the names, so that it can be compared where no configuration is read.
"""


def fingerprint(names: str, decoding: str) -> str:
    """Join both."""
    return f"{names}-{decoding}"


def has_same_names(known: object, other: object) -> bool:
    """Whether two are of the same names, whatever records were decoded to."""
    return str(known).partition("-")[0] == str(other).partition("-")[0]


def decoding_of(known: object) -> str:
    """What records were decoded to; "" before that was kept."""
    return str(known).partition("-")[2]
