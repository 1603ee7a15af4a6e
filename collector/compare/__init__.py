"""The owner's meter or the vendor's portal against our own figures.

Promises: the same data give the same rows in any order of lines, with any separators and in any encoding that is read;
a reason is only given where numbers of the two prove it.

Refuses: to guess where two readings of a file are possible and differ in what they say; the error names the line and
what to do.
"""
