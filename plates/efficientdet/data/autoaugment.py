"""AutoAugment's detection policies and RandAugment, moving boxes and plate corners along with the pixels.

Policies: Zoph et al. 2019, Learning Data Augmentation Strategies for Object Detection (arXiv 1906.11172),
with the values of google/automl `efficientdet/aug/autoaugment.py`. There they run on the original picture
before it is resized; here on the network's canvas, which is faster, and lengths in pixels are scaled as for a
picture of 640 px. The box of a turned or sheared plate is drawn around its corners, if known, and so is
tighter than one around the old box.
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from plates.efficientdet.data import image_ops
from plates.efficientdet.data.augment import bounds, box_corners, clip

Step = tuple[str, float, float]


class Scene(NamedTuple):
    """A picture with its boxes.

    Attributes:
        image: uint8 [H, W, 3].
        boxes: [n, 4] yxyx in px.
        corners: [n, 4, 2] y, x in px.
        visible: [n], the share of each original box that is still visible.
    """

    image: tf.Tensor
    boxes: tf.Tensor
    corners: tf.Tensor
    visible: tf.Tensor


# (operation, probability, magnitude of 10)
POLICIES: dict[str, list[list[Step]]] = {
    "v0": [
        [("TranslateX_BBox", 0.6, 4), ("Equalize", 0.8, 10)],
        [("TranslateY_Only_BBoxes", 0.2, 2), ("Cutout", 0.8, 8)],
        [("Sharpness", 0.0, 8), ("ShearX_BBox", 0.4, 0)],
        [("ShearY_BBox", 1.0, 2), ("TranslateY_Only_BBoxes", 0.6, 6)],
        [("Rotate_BBox", 0.6, 10), ("Color", 1.0, 6)],
    ],
    "v2": [
        [("Color", 0.0, 6), ("Cutout", 0.6, 8), ("Sharpness", 0.4, 8)],
        [("Rotate_BBox", 0.4, 8), ("Sharpness", 0.4, 2), ("Rotate_BBox", 0.8, 10)],
        [("TranslateY_BBox", 1.0, 8), ("AutoContrast", 0.8, 2)],
        [("AutoContrast", 0.4, 6), ("ShearX_BBox", 0.8, 8), ("Brightness", 0.0, 10)],
        [("SolarizeAdd", 0.2, 6), ("Contrast", 0.0, 10), ("AutoContrast", 0.6, 0)],
        [("Cutout", 0.2, 0), ("Solarize", 0.8, 8), ("Color", 1.0, 4)],
        [("TranslateY_BBox", 0.0, 4), ("Equalize", 0.6, 8), ("Solarize", 0.0, 10)],
        [("TranslateY_BBox", 0.2, 2), ("ShearY_BBox", 0.8, 8), ("Rotate_BBox", 0.8, 8)],
        [("Cutout", 0.8, 8), ("Brightness", 0.8, 8), ("Cutout", 0.2, 2)],
        [("Color", 0.8, 4), ("TranslateY_BBox", 1.0, 6), ("Rotate_BBox", 0.6, 6)],
        [("Rotate_BBox", 0.6, 10), ("BBox_Cutout", 1.0, 4), ("Cutout", 0.2, 8)],
        [("Rotate_BBox", 0.0, 0), ("Equalize", 0.6, 6), ("ShearY_BBox", 0.6, 8)],
        [("Brightness", 0.8, 8), ("AutoContrast", 0.4, 2), ("Brightness", 0.2, 2)],
        [("TranslateY_BBox", 0.4, 8), ("Solarize", 0.4, 6), ("SolarizeAdd", 0.2, 10)],
        [("Contrast", 1.0, 10), ("SolarizeAdd", 0.2, 8), ("Equalize", 0.2, 4)],
    ],
    "v3": [
        [("Posterize", 0.8, 2), ("TranslateX_BBox", 1.0, 8)],
        [("BBox_Cutout", 0.2, 10), ("Sharpness", 1.0, 8)],
        [("Rotate_BBox", 0.6, 8), ("Rotate_BBox", 0.8, 10)],
        [("Equalize", 0.8, 10), ("AutoContrast", 0.2, 10)],
        [("SolarizeAdd", 0.2, 2), ("TranslateY_BBox", 0.2, 8)],
        [("Sharpness", 0.0, 2), ("Color", 0.4, 8)],
        [("Equalize", 1.0, 8), ("TranslateY_BBox", 1.0, 8)],
        [("Posterize", 0.6, 2), ("Rotate_BBox", 0.0, 10)],
        [("AutoContrast", 0.6, 0), ("Rotate_BBox", 1.0, 6)],
        [("Equalize", 0.0, 4), ("Cutout", 0.8, 10)],
        [("Brightness", 1.0, 2), ("TranslateY_BBox", 1.0, 6)],
        [("Contrast", 0.0, 2), ("ShearY_BBox", 0.8, 0)],
        [("AutoContrast", 0.8, 10), ("Contrast", 0.2, 10)],
        [("Rotate_BBox", 1.0, 10), ("Cutout", 1.0, 10)],
        [("SolarizeAdd", 0.8, 6), ("Equalize", 0.8, 8)],
    ],
}
POLICIES["v1"] = [
    *POLICIES["v0"],
    [("Color", 0.0, 0), ("ShearX_Only_BBoxes", 0.8, 4)],
    [("ShearY_Only_BBoxes", 0.8, 2), ("Flip_Only_BBoxes", 0.0, 10)],
    [("Equalize", 0.6, 10), ("TranslateX_BBox", 0.2, 2)],
    [("Color", 1.0, 10), ("TranslateY_Only_BBoxes", 0.4, 6)],
    [("Rotate_BBox", 0.8, 10), ("Contrast", 0.0, 10)],
    [("Cutout", 0.2, 2), ("Brightness", 0.8, 10)],
    [("Color", 1.0, 6), ("Equalize", 1.0, 2)],
    [("Cutout_Only_BBoxes", 0.4, 6), ("TranslateY_Only_BBoxes", 0.8, 2)],
    [("Color", 0.2, 8), ("Rotate_BBox", 0.8, 10)],
    [("Sharpness", 0.4, 4), ("TranslateY_Only_BBoxes", 0.0, 4)],
    [("Sharpness", 1.0, 4), ("SolarizeAdd", 0.4, 4)],
    [("Rotate_BBox", 1.0, 8), ("Sharpness", 0.2, 8)],
    [("ShearY_BBox", 0.6, 10), ("Equalize_Only_BBoxes", 0.6, 8)],
    [("ShearX_BBox", 0.2, 6), ("TranslateY_Only_BBoxes", 0.2, 10)],
    [("SolarizeAdd", 0.6, 8), ("Brightness", 0.8, 10)],
]

_LONGEST = max(len(steps) for policy in POLICIES.values() for steps in policy)

# RandAugment as the reference calls it: one of these, at magnitude 15, applied with a probability from U(0.2, 0.8).
RANDAUGMENT = (
    "Equalize",
    "Solarize",
    "Color",
    "Cutout",
    "SolarizeAdd",
    "TranslateX_BBox",
    "TranslateY_BBox",
    "ShearX_BBox",
    "ShearY_BBox",
    "Rotate_BBox",
)
RANDAUGMENT_MAGNITUDE = 15


def distort(
    image: tf.Tensor, boxes: tf.Tensor, corners: tf.Tensor, visible: tf.Tensor, policy: str, seed: tf.Tensor
) -> Scene:
    """One sub-policy of `policy` (v0, v1, v2, v3, randaug), drawn by `seed` [2], on the parts of a `Scene`."""
    scene = Scene(image, boxes, corners, visible)
    draws = tf.random.stateless_uniform([1 + _LONGEST, 4], seed)
    if policy == "randaug":
        probability = 0.2 + 0.6 * draws[0, 1]
        choices: list[list[Any]] = [[(name, probability, RANDAUGMENT_MAGNITUDE)] for name in RANDAUGMENT]
    else:
        choices = [list(steps) for steps in POLICIES[policy]]
    index = tf.cast(draws[0, 0] * len(choices), tf.int32)
    return tf.switch_case(index, [lambda steps=steps: chain(scene, steps, draws[1:], seed) for steps in choices])


def chain(scene: Scene, steps: list[Any], draws: tf.Tensor, seed: tf.Tensor) -> Scene:
    """The steps (operation, probability, magnitude of 10) one after another, each with its probability.

    `draws` [steps, 4] are uniform in 0..1; `seed` [2] is for operations that need more of them.
    """
    for number, (name, probability, magnitude) in enumerate(steps):
        draw, level = draws[number], magnitude / 10
        if name.endswith("_Only_BBoxes"):
            key = tf.random.experimental.stateless_fold_in(seed, number)
            scene = _only_boxes(scene, name.removesuffix("_Only_BBoxes"), probability, level, key)
        elif not isinstance(probability, float) or probability > 0:
            scene = tf.cond(
                draw[0] < probability,
                lambda scene=scene, name=name, level=level, draw=draw: operate(scene, name, level, draw),
                lambda scene=scene: scene,
            )
    return scene


def operate(scene: Scene, name: str, level: float, draw: tf.Tensor) -> Scene:
    """One operation at `level` (magnitude / 10) on the whole picture; `draw` [4] uniform, its first is not used."""
    height, width = scene.image.shape[:2]
    if name == "Cutout":
        half = int(level * 100 * max(height, width) / 640)
        y, x = tf.cast(draw[1] * height, tf.int32), tf.cast(draw[2] * width, tf.int32)
        return scene._replace(image=image_ops.paint(scene.image, y - half, x - half, y + half, x + half))
    if name == "BBox_Cutout":
        return scene._replace(image=_cut_box(scene, 0.75 * level, draw))
    if not name.endswith("_BBox"):
        return scene._replace(image=_recolour(scene.image, name, level))
    motion = name.removesuffix("_BBox")
    matrix = _matrix(motion, level, draw[1], (height, width), _along(motion, scene, 250))
    image = tf.ensure_shape(image_ops.affine(scene.image, matrix), scene.image.shape)
    corners = _moved(scene.corners, matrix)
    if motion in ("Rotate", "ShearX", "ShearY"):
        left, _ = clip(bounds(scene.corners), (height, width))  # what was cut off earlier does not come back
        boxes = _common(bounds(corners), bounds(_moved(box_corners(left), matrix)))
    else:
        boxes = bounds(_moved(box_corners(scene.boxes), matrix))
    boxes, share = clip(boxes, (height, width))
    return Scene(image, boxes, corners, scene.visible * share)


def _recolour(image: tf.Tensor, name: str, level: float) -> tf.Tensor:
    enhance = level * 1.8 + 0.1
    match name:
        case "AutoContrast":
            return image_ops.autocontrast(image)
        case "Equalize":
            return image_ops.equalize(image)
        case "Posterize":
            return image_ops.posterize(image, max(1, int(level * 4)))
        case "Solarize":
            return image_ops.solarize(image, int(level * 256))
        case "SolarizeAdd":
            return image_ops.solarize_add(image, int(level * 110))
        case "Color":
            return image_ops.color(image, enhance)
        case "Contrast":
            return image_ops.contrast(image, enhance)
        case "Brightness":
            return image_ops.brightness(image, enhance)
        case "Sharpness":
            return image_ops.sharpness(image, enhance)
    raise ValueError(f"no operation {name}")


def _matrix(name: str, level: float, draw: tf.Tensor, size: tuple[Any, Any], translation: float) -> tf.Tensor:
    """Where points (x, y) go, [2, 3] float32; half of the time the other way. `translation` in px."""
    sign = tf.where(draw < 0.5, -1.0, 1.0)
    height, width = (tf.cast(side, tf.float32) for side in size)
    match name:
        case "TranslateX":
            return tf.stack([[1.0, 0.0, sign * level * translation], [0.0, 1.0, 0.0]])
        case "TranslateY":
            return tf.stack([[1.0, 0.0, 0.0], [0.0, 1.0, sign * level * translation]])
        case "ShearX":
            return tf.stack([[1.0, sign * level * 0.3, 0.0], [0.0, 1.0, 0.0]])
        case "ShearY":
            return tf.stack([[1.0, 0.0, 0.0], [sign * level * 0.3, 1.0, 0.0]])
        case "Rotate":
            angle = sign * level * 30.0 * math.pi / 180
            cos, sin = tf.cos(angle), tf.sin(angle)
            y, x = height / 2, width / 2
            return tf.stack([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])
        case "Flip":
            return tf.stack([[-1.0, 0.0, width], [0.0, 1.0, 0.0]])
    raise ValueError(f"no operation {name}")


def _along(name: str, scene: Scene, pixels: float) -> float:
    """A length in px of a picture of 640, in px of this one along the motion's axis."""
    return pixels * scene.image.shape[1 if name.endswith("X") else 0] / 640


def _common(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """[n, 4] yxyx px: what each two boxes share; without area if that is nothing."""
    return tf.concat([tf.maximum(boxes[:, :2], others[:, :2]), tf.minimum(boxes[:, 2:], others[:, 2:])], axis=-1)


def _moved(points: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Points [..., 2] as y, x moved by `matrix`."""
    return (tf.linalg.matvec(matrix[:, :2], points[..., ::-1]) + matrix[:, 2])[..., ::-1]


def _cut_box(scene: Scene, share: float, draw: tf.Tensor) -> tf.Tensor:
    """Greys a rectangle of `share` of the sides of one box, about a point in it."""

    def cut() -> tf.Tensor:
        box = scene.boxes[tf.cast(draw[1] * tf.cast(tf.shape(scene.boxes)[0], tf.float32), tf.int32)]
        sides = box[2:] - box[:2]
        centre = box[:2] + draw[2:4] * sides
        corner = [*tf.unstack(centre - share * sides / 2), *tf.unstack(centre + share * sides / 2)]
        return image_ops.paint(scene.image, *(tf.cast(tf.round(side), tf.int32) for side in corner))

    return tf.cond(tf.shape(scene.boxes)[0] > 0, cut, lambda: scene.image)


def _only_boxes(scene: Scene, name: str, probability: float, level: float, seed: tf.Tensor) -> Scene:
    """The operation on what is inside each box, for a third of `probability`; the boxes stay where they are."""
    scale = max(scene.image.shape[:2]) / 640

    def change(content: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        sides = tf.shape(content)
        if name == "Cutout":
            half = int(level * 50 * scale)
            middle = tf.cast(draw[2:4] * tf.cast(sides[:2], tf.float32), tf.int32)
            return image_ops.paint(content, *tf.unstack(tf.concat([middle - half, middle + half], axis=0)))
        if name in ("Equalize", "Solarize"):
            return _recolour(content, name, level)
        return image_ops.affine(content, _matrix(name, level, draw[1], (sides[0], sides[1]), _along(name, scene, 120)))

    def body(index: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        draw = tf.random.stateless_uniform([4], tf.random.experimental.stateless_fold_in(seed, index))
        top, left, bottom, right = tf.unstack(tf.cast(tf.round(scene.boxes[index]), tf.int32))
        content = image[top:bottom, left:right]

        def pasted() -> tf.Tensor:
            rows = tf.concat([image[top:bottom, :left], change(content, draw), image[top:bottom, right:]], axis=1)
            return tf.ensure_shape(tf.concat([image[:top], rows, image[bottom:]], axis=0), image.shape)

        wanted = (draw[0] < probability / 3) & (tf.size(content) > 0)
        return index + 1, tf.cond(wanted, pasted, lambda: image)

    _, image = tf.while_loop(lambda index, _: index < tf.shape(scene.boxes)[0], body, [tf.constant(0), scene.image])
    return scene._replace(image=image)
