"""One module a command: its arguments, its progress, its report.

Promises: `add_arguments(parser)` describes a command and `run(arguments)` does it and returns the exit code; what it
answers goes to standard output, all else to standard error. Refuses: to decide anything; what a command does is in the
room that it calls. No other room knows argparse or rich.
"""
