"""What CCPD is, and no other data set: the label in a file name, the plate's alphabets, subsets and official lists.

Here too: the geometry of its labels, its own score, and `scenes`, photographs drawn for a dry run. Not here: anything
that holds for every folder of JPEGs (`plates.photographs`) or every table of boxes (`plates.splits`, `plates.card`).
"""
