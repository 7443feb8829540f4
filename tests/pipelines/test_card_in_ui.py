"""What Dagster's UI is given of the dataset card."""

import dagster as dg
import pytest

pytestmark = pytest.mark.slow

PLOTS = ("where the boxes are", "size", "shape", "tilt", "brightness", "blurriness", "subsets", "provinces")


def test_the_card_is_one_page_in_the_assets_metadata(finished, monkeypatch) -> None:
    root, _ = finished
    monkeypatch.chdir(root)  # dagster.yaml names its folders from there

    with dg.DagsterInstance.from_config(str(root)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("dataset_card"))

    assert event is not None
    assert event.asset_materialization is not None
    metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    parts = dict(part.split("\n\n", 1) for part in metadata["page"].removeprefix("## ").split("\n\n## "))
    for plot in PLOTS:
        assert "](data:image/png;base64," in parts[plot.capitalize()], plot
        assert len(parts[plot.capitalize()]) < 60_000, plot
    for sheet in ("Accepted", "Augmented"):
        assert parts[sheet].startswith("![pictures](data:image/jpeg;base64,")
    for axis in ("class", "province", "subset", "size", "brightness"):
        assert f"**{axis}: " in parts["Balance"]
    assert parts["Against the last delivery"] == "none: there is no earlier delivery"
