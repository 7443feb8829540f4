import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plates.efficientdet.config import TrainConfig
from plates.efficientdet.training import schedule
from plates.errors import UserError


def rates(total, steps_per_epoch=10, **train):
    built = schedule.build(TrainConfig(**train), steps_per_epoch, total)
    return built, np.array([float(built(step)) for step in range(total + 1)])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["cosine", "polynomial"]), st.integers(1, 128), st.integers(12, 60), st.floats(0.1, 1))
def test_rises_to_the_peak_then_falls_to_0_at_the_end(method, batch_size, total, warmup):
    _, found = rates(total, learning_rate=0.08, batch_size=batch_size, lr_decay_method=method, lr_warmup_epoch=warmup)
    peak = 0.08 * batch_size / 64
    end = min(int(10 * warmup), int(total / 5))
    assert found[0] == pytest.approx(peak / 10)
    assert found.max() == pytest.approx(peak)
    assert (np.diff(found[: end + 1]) > 0).all()
    assert (np.diff(found[end:]) < 0).all()
    assert found[-1] == pytest.approx(0, abs=peak * 1e-6)


def test_stepwise_by_hand():
    _, found = rates(
        60, learning_rate=0.64, batch_size=64, lr_decay_method="stepwise", first_lr_drop_epoch=2, second_lr_drop_epoch=4
    )
    assert found[[10, 19, 20, 39, 40, 59]] == pytest.approx([0.64, 0.64, 0.064, 0.064, 0.0064, 0.0064])


def test_the_reference_starts_warm_up_unscaled_and_rises_again_at_the_end():
    """Batch 4: from 0.008 down to 0.005 (EFFICIENTDET.md, section 3); ours from 0.0005 up."""
    _, theirs = rates(100, learning_rate=0.08, batch_size=4, reference=True)
    _, ours = rates(100, learning_rate=0.08, batch_size=4)
    assert theirs[0] == pytest.approx(0.008)
    assert ours[0] == pytest.approx(0.0005)
    assert theirs[90] == pytest.approx(0, abs=1e-9)
    assert theirs[100] > 1e-5
    assert ours[90] > ours[100]


def test_warm_up_takes_a_fifth_of_the_run_at_most():
    """An epoch of 350,000 photographs is longer than a run of 375 steps."""
    _, found = rates(30, steps_per_epoch=40)
    assert found.argmax() == 6


def test_as_the_reference_a_warm_up_longer_than_the_run_is_an_error():
    with pytest.raises(UserError, match=r"40 steps of warm-up, but the run has only 30 steps"):
        rates(30, steps_per_epoch=40, reference=True)
