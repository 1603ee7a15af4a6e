"""Files of two columns, a time and a figure, as portals, meters, spreadsheets and home automations write them. Pure.

Promises: the same figures in any order of lines, with any separators, marks and encodings that are read; an error names
the line and what to do. Refuses: to guess where two readings of a file are possible and differ in what they say.
"""
