"""Metrics of detections against ground truth, and the report that shows them.

Here: tables in, figures out. Not here: running a network (`inference`) and training it (`training`).
"""
