"""What is specific to CCPD: the label in a file name, the plate's alphabets, subsets and official lists.

Also here: the geometry of its labels, its own score, and `scenes`, photographs drawn for a dry run. Not here: anything
that applies to any folder of JPEGs (`plates.photographs`) or any table of boxes (`plates.splits`, `plates.card`).
"""
