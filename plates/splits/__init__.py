"""Train, val and test: divides photographs so that no plate is in two; shift between tables; balance of classes.

Here: arithmetic on tables of labels. Not here: whether a difference stops a run (`checks`), and how CCPD's authors
divided it (`plates.ccpd.subsets`).
"""
