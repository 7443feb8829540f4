"""A batch that fits its labels can be overfitted, but not at a rate of nearly zero."""

import toy

from plates.efficientdet.training.overfit import Overfit, overfit


def test_the_toy_is_learnt_at_its_rate_and_not_at_a_millionth():
    done = []
    found = overfit(
        toy.spec(), toy.train_config(learning_rate=0.04), toy.data(1), steps=60, on_step=lambda *step: done.append(step)
    )
    assert found.learnt
    assert len(done) == len(found.losses) <= 60
    assert not overfit(toy.spec(), toy.train_config(learning_rate=4e-8), toy.data(1), steps=8).learnt


def test_a_loss_that_is_not_a_number_is_not_learnt():
    assert not Overfit(1.0, [2.0, 0.1, float("nan")]).learnt
