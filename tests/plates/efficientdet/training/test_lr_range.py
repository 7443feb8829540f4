"""The rates that a run can take show in the loss while they rise."""

import numpy as np
import pytest
import toy

from plates.efficientdet.training.lr_range import RateRange, lr_range, plot
from plates.errors import UserError


def test_the_toy_learns_at_the_suggested_rate_and_not_at_the_highest(tmp_path):
    done = []
    config = toy.train_config(learning_rate=0.04)
    found = lr_range(toy.spec(), config, toy.data(4), steps=40, high=1000.0, on_step=lambda *step: done.append(step))
    assert found.rates[0] == pytest.approx(1e-5)
    assert found.rates == sorted(found.rates)
    assert 1e-4 < found.suggestion < 1
    assert found.losses[-1] > min(found.losses)
    assert done[-1][0] == len(found.losses)
    plot(found, 0.04, tmp_path / "range.png")
    assert (tmp_path / "range.png").read_bytes()[:4] == b"\x89PNG"


def test_a_loss_that_is_no_number_at_once_is_said():
    def broken(network):
        network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])

    with pytest.raises(UserError, match="the loss of the first batch is nan, at a rate of 1e-05"):
        lr_range(toy.spec(), toy.train_config(), toy.data(1), initialise=broken, steps=4)


def test_the_suggestion_is_a_tenth_of_the_best_rate():
    assert RateRange([0.001, 0.01, 0.1, 1.0], [3.0, 2.0, 1.0, 9.0]).suggestion == pytest.approx(0.01)
