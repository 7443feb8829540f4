"""From a trained detector to boxes: post-processing, prediction, and the exported formats.

Here: everything that runs after training. Not here: anything that training alone needs, so that an edit of it leaves
exports current.
"""
