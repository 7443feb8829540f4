"""Annotations of other data sets: COCO JSON read into the labels table, and written from it.

Here: the format, what is wrong with a file that breaks it, and the conversion both ways. Not here: scoring, though its
figures have COCO's name (`plates.efficientdet.evaluation`).
"""
