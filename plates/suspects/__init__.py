"""Labels that are likely wrong: what trainings that did not see them say, and what people decided about each.

Only what judges labels belongs here; what a label must be to be accepted at all is asked in `checks`.
"""
