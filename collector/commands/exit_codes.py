"""The exit codes of all commands: fine, a finding or a failed operation, and wrong usage or configuration."""

FINE, FINDING, USAGE = 0, 1, 2
