"""How fast and how large the collector is on this machine: `python -m benchmarks`, from a checkout with the dev extra.

Each benchmark runs the real thing in processes of its own, on the loopback interface and in a folder that is removed
afterwards, for a bounded time. Figures hold for the machine they were taken on, and for a quiet one; ratios to a bare
loop that was timed in the same run travel better. `--quick` only shows that everything runs: its figures mean nothing.
"""
