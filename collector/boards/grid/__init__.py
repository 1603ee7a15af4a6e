"""The board `solar-grid`: the grid as evidence for whoever runs it.

Promises: what it calls minutes are readings of five minutes each, held against limits that follow from the nominal
voltage and frequency, or are typed in. Refuses: to know the rules of a country.
"""
