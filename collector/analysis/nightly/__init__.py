"""All around the model: readings out of the journal, what is kept of them and of results, and where results go.

Promises: what it keeps is derived, and may be deleted at any time; a late record costs its day, and all may be cut
off anywhere. Refuses: to write to the journal, and to be done by two processes at once.
"""
