"""The board `solar-history`: days, months and years against each other, what they are worth, and how panels age.

Promises: to compare only what there are records of on both sides.
"""
