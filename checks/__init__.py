"""What must be true of each asset, as Dagster's checks (`on_data`, `on_model`), and the gate that `boxes` runs.

Here: questions, and their answers in words and figures. Not here: changing data, or drawing and measuring, which the
library does (`plates`). A check is not in its asset's file, the usual place in Dagster: that file is part of the
asset's code version, so editing a check would retrain.
"""
