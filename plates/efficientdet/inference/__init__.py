"""From a trained detector to boxes: post-processing, prediction, and the exported formats.

Here: everything that runs after training. Not here: anything that only training needs, so that editing it does not
make exports stale.
"""
