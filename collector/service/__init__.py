"""The running service: its nursery, its sign of life, its report, what it watches, and what it writes to.

Promises: what gateways need no answer from may fail and is started again, and gateways still get their answers; SIGTERM
ends it in time and leaves nothing half done. Refuses: to run beside another one on the same journal.
"""
