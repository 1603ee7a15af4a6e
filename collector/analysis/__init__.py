"""What each panel should have delivered, what was lost to which cause, and how panels age. Pure arithmetic on numpy.

Promises: the same series gives the same results, in any order of its channels; an alarm depends on nothing that came
after it; where nothing can be said a value is NaN or None, and a note says why. Refuses: to read or write anything, to
ask what time it is, and to guess a number from too little.
"""
