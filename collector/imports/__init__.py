"""What the owner brings along of the time before: the vendor's answers, and files. The journal keeps them byte for
byte, and a gateway's day is derived from them by pure functions wherever it is needed.

Promises: the energies of a day are the vendor's, to the last mWh; the same bodies give the same day; a day of which the
gateway itself has sent anything is the gateway's, whole; whatever is taken back leaves what was before. Refuses: to ask
the vendor for anything twice, and to invent what was not told: a day without powers has no powers.
"""
