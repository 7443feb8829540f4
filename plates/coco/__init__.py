"""Annotations of other data sets: COCO JSON read into the labels table, and written from it.

Here: the format, what is wrong with a file that breaks it, and conversion in both directions. Not here: scoring, even
though its metrics are COCO's (`plates.efficientdet.evaluation`).
"""
