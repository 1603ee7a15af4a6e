"""The output to PVOutput, a web service that shows solar systems: every interval as it comes, and what is missing.

Promises: whatever was away or refused, the service ends with the ledger's days, and late data correct them; the present
goes before the past, and the past takes no more of the hour's requests than the present can spare; the key is in no log
and no message. Refuses: to send what the service has refused for good again and again, and to change anything there but
generation: statuses and outputs of other programs' days are their own.
"""
