"""The settings of a project: `params.yaml` and where its files are."""
