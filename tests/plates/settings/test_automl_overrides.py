"""google/automl's keys and defaults are those of its `hparams_config.default_detection_configs` (commit 6a54c874)."""

from pathlib import Path

import pytest

from plates.errors import UserError
from plates.settings import edit
from plates.settings.automl_overrides import Overrides, read
from plates.settings.params import load

ROOT = Path(__file__).resolve().parents[3]

SAVED = """\
act_type: swish
alpha: 0.25
anchor_scale: 4.0
apply_bn_for_resampling: true
aspect_ratios: [1.0, 2.0, 0.5]
autoaugment_policy: null
backbone_config: null
backbone_name: efficientnet-b0
box_class_repeats: 3
box_loss_weight: 50.0
ckpt_var_scope: null
clip_gradients_norm: 10.0
conv_after_downsample: false
conv_bn_act_pattern: false
data_format: channels_last
dataset_type: null
delta: 0.1
drop_remainder: true
first_lr_drop_epoch: 200.0
fpn_cell_repeats: 3
fpn_config: null
fpn_name: null
fpn_num_filters: 64
fpn_weight_method: null
gamma: 1.5
grad_checkpoint: false
grid_mask: false
heads: [object_detection]
image_size: !!python/tuple
- 384
- 640
img_summary_steps: null
input_rand_hflip: true
iou_loss_type: null
iou_loss_weight: 1.0
is_training_bn: true
jitter_max: 2.0
jitter_min: 0.1
label_map: null
label_smoothing: 0.0
learning_rate: 0.08
loss_scale: null
lr_decay_method: cosine
lr_warmup_epoch: 1.0
lr_warmup_init: 0.008
map_freq: 5
max_instances_per_image: 500
max_level: 7
mean_rgb: &rgb !!python/tuple [123.675, 116.28, 103.53]
min_level: 3
mixed_precision: false
mode: train
model_dir: model
model_name: efficientdet-d0
momentum: 0.9
moving_average_decay: 0.9998
name: efficientdet-d0
nms_configs:
  iou_thresh: null
  max_nms_inputs: 0
  max_output_size: 100
  method: gaussian
  pyfunc: false
  score_thresh: 0.0
  sigma: null
num_classes: 1
num_epochs: 300
num_scales: 3
num_shards: 1
optimizer: sgd
poly_lr_power: 0.9
positives_momentum: null
regenerate_source_id: false
sample_image: null
save_freq: epoch
scale_range: false
second_lr_drop_epoch: 250.0
seg_num_classes: 3
separable_conv: true
skip_crowd_during_training: true
skip_mismatch: true
stddev_rgb: !!python/tuple [58.395, 57.12, 57.375]
strategy: ''
survival_prob: null
target_size: null
tf_random_seed: 111111
tflite_max_detections: 100
use_keras_model: true
var_freeze_expr: null
verbose: 1
weight_decay: 4.0e-05
"""


def overrides(tmp_path: Path, text: str) -> Overrides:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return read(path)


def test_a_whole_saved_configuration_is_taken(tmp_path: Path) -> None:
    taken = overrides(tmp_path, SAVED)
    project = tmp_path / "params.yaml"
    project.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    edit.write(project, taken.changes)
    params = load(project)

    assert (params.model.name, params.model.backbone, params.model.image_size) == ("efficientdet-d0", None, "640x384")
    assert params.model.mean_rgb == [123.675, 116.28, 103.53]
    assert (params.train.optimizer, params.train.learning_rate, params.train.seed) == ("sgd", 0.08, 111111)
    assert (params.train.steps, params.train.num_epochs) == (None, 300)
    assert (params.train.mixed_precision, params.train.strategy) == (None, None)
    assert (params.augment.jitter_min, params.augment.jitter_max) == (0.1, 2.0)
    assert taken.left_out is not None
    assert taken.left_out.startswith("config.yaml: 30 keys are left out, being at the reference's default or without")
    assert "max_instances_per_image (every box of a picture is trained, without a limit)" in taken.left_out


def test_a_few_overrides_leave_nothing_out(tmp_path: Path) -> None:
    taken = overrides(
        tmp_path,
        "image_size: 1024x1024\nnum_classes: 1\nlabel_map: {1: license_plate}\njitter_min: 0.8\n"
        "nms_configs: {method: hard, iou_thresh: 0.5}\n",
    )

    assert taken == Overrides(
        {
            "model.image_size": "1024x1024",
            "model.num_classes": 1,
            "model.label_map": {1: "license_plate"},
            "augment.jitter_min": 0.8,
            "nms.method": "hard",
            "nms.iou_thresh": 0.5,
        },
        None,
    )


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("autoaugment_policy: ''", {"augment.autoaugment_policy": None}),
        ("mixed_precision: true", {"train.mixed_precision": "float16"}),
        ("strategy: multi-gpus", {"train.strategy": "gpus"}),
        ("train_scale_min: 0.5", {"augment.jitter_min": 0.5}),
        ("backbone_name: efficientnet-b3", {"model.backbone": "efficientnet-b3"}),
        ("image_size: [512, 512]", {"model.image_size": "512x512"}),
        ("image_size: 640", {"model.image_size": 640}),
        ("num_classes: 3\nlabel_map: {1: a, 3: c}", {"model.num_classes": 3, "model.label_map": {1: "a", 3: "c"}}),
        ("aspect_ratios: !!python/tuple [!!python/tuple [1.4, 0.7]]", {"model.aspect_ratios": [[1.4, 0.7]]}),
    ],
)
def test_the_reference_s_own_ways_of_writing(tmp_path: Path, text: str, changes: dict[str, object]) -> None:
    assert overrides(tmp_path, text).changes == changes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "num_classes: 2\nlabel_map: {1: license_plate}",
            r"counts the background.*num_classes: 1, label_map: \{1: 'li",
        ),
        ("num_classes: 2\nlabel_map: {0: background, 1: license_plate}", "counts the background.*num_classes: 1"),
        ("num_classes: 1\nlabel_map: {0: background, 1: license_plate}", "counts the background.*num_classes: 1"),
        ("label_map: voc", "label_map: voc names a list kept elsewhere. Leave label_map and num_classes out"),
        ("label_map: data/labels.yaml", "label_map: data/labels.yaml names a list kept elsewhere"),
        ("conv_bn_act_pattern: true", "conv_bn_act_pattern: True is not supported, only False"),
        ("nms_configs: {pyfunc: true}", r"nms\.pyfunc: True is not supported, only False"),
        ("image_size: [640, 384]", "does not say which is the width; write WIDTHxHEIGHT"),
        ("autoaugmentation_policy: v0", "did you mean autoaugment_policy"),  # so in the reference's own README
        ("- 1", "must hold keys and values"),
        ("a: !!python/object/apply:os.system [id]", "is not YAML"),
    ],
)
def test_what_cannot_be_taken_says_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        overrides(tmp_path, text)


def test_every_refused_key_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)grid_mask: True.*colour: no such setting"):
        overrides(tmp_path, "grid_mask: true\ncolour: 1")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--hparams .*no\.yaml: No such file or directory\. It takes a file"):
        read(tmp_path / "no.yaml")
