"""A month or a year on one page: what was made, what was to be expected, what was lost, and what needs a look.

Promises: it works from the journal alone, its ledger and what the latest analysis has found; years are compared only by
the same days, and only where nearly all of them are known; a page needs nothing from elsewhere, no script and no
network; all text from outside is escaped. Refuses: to count or analyse anything itself.
"""
