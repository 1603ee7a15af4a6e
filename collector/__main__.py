"""`python -m collector` is the console script `collector`."""

from collector.cli import entry

if __name__ == "__main__":
    entry()
