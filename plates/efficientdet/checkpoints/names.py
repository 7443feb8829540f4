"""The key of a variable in other tools' files. Our own names are google/automl's (`network.variable_name`)."""

import re
from collections.abc import Collection

from plates.efficientdet.model.backbone_tables import Backbone

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
AVERAGE = "/ExponentialMovingAverage"

# Attribute of an MBConv block in google/automl for each of our layers, without and with an expansion.
BLOCK = {
    False: {
        "depthwise_conv2d": "_depthwise_conv",
        "tpu_batch_normalization": "_bn1",
        "conv2d": "_project_conv",
        "tpu_batch_normalization_1": "_bn2",
    },
    True: {
        "conv2d": "_expand_conv",
        "tpu_batch_normalization": "_bn0",
        "depthwise_conv2d": "_depthwise_conv",
        "tpu_batch_normalization_1": "_bn1",
        "conv2d_1": "_project_conv",
        "tpu_batch_normalization_2": "_bn2",
    },
}
ELSEWHERE = [
    (r"[^/]+/stem/conv2d/", "backbone/_stem/_conv_stem/"),
    (r"[^/]+/stem/tpu_batch_normalization/", "backbone/_stem/_bn/"),
    (r"([^/]+)/blocks_(\d+)/se/conv2d/", r"backbone/_blocks/\2/_se/_se_reduce/"),
    (r"([^/]+)/blocks_(\d+)/se/conv2d_1/", r"backbone/_blocks/\2/_se/_se_expand/"),
    (r"resample_p6/", "resample_layers/0/"),
    (
        r"fpn_cells/cell_(\d+)/fnode(\d+)/resample_(\d+)_\d+_\d+/",
        r"fpn_cells/cells/\1/fnodes/\2/resample_layers/\3/",
    ),
    (
        r"fpn_cells/cell_(\d+)/fnode(\d+)/op_after_combine\d+/conv/",
        r"fpn_cells/cells/\1/fnodes/\2/op_after_combine/conv_op/",
    ),
    (
        r"fpn_cells/cell_(\d+)/fnode(\d+)/op_after_combine\d+/bn/",
        r"fpn_cells/cells/\1/fnodes/\2/op_after_combine/bn/",
    ),
    (r"fpn_cells/cell_(\d+)/fnode(\d+)/", r"fpn_cells/cells/\1/fnodes/\2/"),
    (r"class_net/class-predict/", "class_net/classes/"),
    (r"box_net/box-predict/", "box_net/boxes/"),
    (r"(class|box)_net/\1-(\d+)/", r"\1_net/conv_ops/\2/"),
]


def object_key(name: str, names: Collection[str], min_level: int) -> str:
    """The key in an object-based checkpoint (TF2 `save_weights`) of the variable that is `name` in a name-based one.

    `names` are all the network's, which says whether a block expands.
    """
    block = re.match(r"(.+/blocks_(\d+))/([^/]+)/(\w+)$", name)
    if block and block[3] != "se":
        expands = f"{block[1]}/conv2d_1/kernel" in names
        return f"backbone/_blocks/{block[2]}/{BLOCK[expands][block[3]]}/{block[4]}{SUFFIX}"
    norm = re.match(r"(class|box)_net/\1-(\d+)-bn-(\d+)/(\w+)$", name)
    if norm:
        return f"{norm[1]}_net/bns/{norm[2]}/{int(norm[3]) - min_level}/{norm[4]}{SUFFIX}"
    for pattern, key in ELSEWHERE:
        found, count = re.subn(f"^{pattern}", key, name)
        if count:
            return found + SUFFIX
    return name + SUFFIX


def keras_layers(table: Backbone) -> dict[str, str]:
    """Our layers' names to those of `keras.applications`' EfficientNet and EfficientNetV2."""
    found = {
        f"{table.name}/stem/conv2d": "stem_conv",
        f"{table.name}/stem/tpu_batch_normalization": "stem_bn",
    }
    depthwise = "dwconv2" if table.name.startswith("efficientnetv2") else "dwconv"
    index = 0
    for number, stage in enumerate(table.stages, start=1):
        for repeat in range(stage.repeats):
            ours, theirs = f"{table.name}/blocks_{index}", f"block{number}{chr(ord('a') + repeat)}_"
            norms = [] if stage.expand == 1 else ["expand_bn"]
            convs = [] if stage.expand == 1 else ["expand_conv"]
            if not stage.fused:
                found[f"{ours}/depthwise_conv2d"] = theirs + depthwise
                norms.append("bn")
            found[f"{ours}/se/conv2d"] = f"{theirs}se_reduce"
            found[f"{ours}/se/conv2d_1"] = f"{theirs}se_expand"
            for kind, layers in (
                ("conv2d", [*convs, "project_conv"]),
                ("tpu_batch_normalization", [*norms, "project_bn"]),
            ):
                for i, layer in enumerate(layers):
                    found[f"{ours}/{kind}" + (f"_{i}" if i else "")] = theirs + layer
            index += 1
    return found
