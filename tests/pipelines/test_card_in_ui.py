"""What Dagster's UI is given of the dataset card."""

import dagster as dg
import pytest

pytestmark = pytest.mark.slow

PLOTS = ("where the boxes are", "size", "shape", "tilt", "brightness", "blurriness", "subsets", "provinces")


def test_plots_tables_and_sheets_are_in_the_assets_metadata(finished, monkeypatch) -> None:
    root, _ = finished
    monkeypatch.chdir(root)  # dagster.yaml names its folders from there

    with dg.DagsterInstance.from_config(str(root)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("dataset_card"))

    assert event is not None
    assert event.asset_materialization is not None
    metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    for plot in PLOTS:
        assert "](data:image/png;base64," in metadata[f"plot: {plot}"], plot
        assert len(metadata[f"plot: {plot}"]) < 60_000, plot
    for axis in ("class", "province", "subset", "size", "brightness"):
        assert f"**{axis}: " in metadata["balance"]
    assert metadata["against the last delivery"] == "none: there is no last delivery"
    assert metadata["accepted"].startswith("![pictures](data:image/jpeg;base64,")
    assert metadata["augmented"].startswith("![pictures](data:image/jpeg;base64,")
