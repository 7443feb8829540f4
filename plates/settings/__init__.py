"""The settings of a project: the schema of `params.yaml`, changing it, and where the project's files are.

Here: every setting that the detector does not have, and every check of a value. Not here: the detector's own settings
(`plates.efficientdet.config`), and defaults in code elsewhere, which nobody would find.
"""
