"""`plates lineage`: which data produced which mAP. Each module adds a command to the group made in `overview`."""

from pipelines.cli.lineage import diff, explain, export, of, overview, restore

__all__ = ["diff", "explain", "export", "of", "overview", "restore"]
