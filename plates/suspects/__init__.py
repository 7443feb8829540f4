"""Labels that are likely wrong: what trainings that did not see them find, and people's decisions about each.

Only judging labels belongs here; what a label must be to be accepted is checked in `checks`.
"""
