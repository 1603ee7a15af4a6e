"""Made-up owners to look at the boards with, each with something that the boards have to show.

    python -m tests.sites broken --url http://localhost:8086 --token … --org home

writes one of them into buckets of its own, and its `config.toml` into a folder of its name (docs/boards.md).

Promises: everything has been a record of a simulated gateway, decoded and rolled up by the collector's own code; the
same name and `--now` give the same points. Refuses: to be a test, which has a smaller site of its own (`tests/boards`).
"""
