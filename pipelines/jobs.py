"""Named runs over the asset graph."""

import dagster as dg

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets("champion", "dataset_card").upstream(),
    description="Everything, from the photographs to the champion.",
)

refresh_data = dg.define_asset_job(
    "refresh_data",
    selection=dg.AssetSelection.assets("tfrecords", "anchors", "dataset_card").upstream(),
    description="Scan, parse, validate, split and write TFRecords, without training.",
)

reevaluate = dg.define_asset_job(
    "reevaluate",
    selection=dg.AssetSelection.assets("evaluation").downstream(),
    description="Score the current checkpoint again, export it and ask the gate.",
)
