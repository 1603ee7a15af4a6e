"""Backups: one file that holds journal and configuration, and the way back from it."""
