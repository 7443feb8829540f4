import numpy as np
import pytest

from plates.pages import plots


def labels(figure) -> list[str]:
    """What an axis says, as it is drawn."""
    figure.canvas.draw()
    (axis,) = figure.axes
    low, high = axis.get_ylim()
    at = zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
    return [label.get_text() for value, label in at if low <= value <= high]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.19, 1.9), ["0.2", "0.5", "1", "2"]),
        ((1e-4, 0.03), ["0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02"]),
        ((2, 30_000), ["10", "100", "1000", "10000"]),
    ],
)
def test_logarithmic_axes_have_plain_numbers(values, said) -> None:
    figure, (axis,) = plots.panels("loss", 4, 3)
    axis.plot([0, 1], values)
    plots.logarithmic(axis.yaxis)

    assert [label for label in labels(figure) if label] == said


def test_an_svg_takes_the_pages_colours_and_is_the_same_each_time() -> None:
    drawn = []
    for _ in range(2):
        with plots.text_as_svg():
            figure, (axis,) = plots.panels("title", 4, 3)
            axis.plot(np.arange(5))
            drawn.append(plots.svg(figure))

    assert drawn[0] == drawn[1]
    assert "currentColor" in drawn[0]
    assert plots.INK not in drawn[0]
    assert "#000000" not in drawn[0]
    assert drawn[0].startswith("<svg")


def test_a_name_with_dollar_signs_is_no_formula() -> None:
    with plots.text_as_svg():
        figure, _ = plots.panels("lot_$5_$x", 4, 3)
        assert "lot_$5_$x" in plots.svg(figure)
    with plots.text_as_pixels():
        figure, _ = plots.panels("lot_$5_$x", 4, 3)
        plots.picture(figure, "lots")
