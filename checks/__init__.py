"""What must be true of each asset, as Dagster's checks (`on_data`, `on_model`), and the gate that `boxes` runs.

Here: questions and their answers in words and figures. Not here: changing data, and drawing or measuring that the
library does (`plates`). A check is not in its asset's file, where Dagster has it by habit: the file is part of the
asset's code version, so that an edit of a check would train again.
"""
