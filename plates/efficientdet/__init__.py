"""The EfficientDet detector in Keras 3, from settings to an exported model.

Here: what holds for any boxes in any pictures. Not here: CCPD, license plates, Dagster, a project's folders.

Imports run `training` > `inference` > `checkpoints` > `data`, `evaluation` > `model` > `config`, so that an edit of the
loss makes training stale and not the export of a trained detector.
"""
