"""The EfficientDet detector in Keras 3, from settings to an exported model.

Here: what applies to any boxes in any pictures. Not here: CCPD, license plates, Dagster, a project's folders.

Imports run `training` > `inference` > `checkpoints` > `data`, `evaluation` > `model` > `config`, so that editing the
loss makes training stale but not the export of a trained detector.
"""
