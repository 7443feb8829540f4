#!/bin/sh
# A few hundred real photographs on a laptop: the small detector, from random weights. Plates are pasted from picture to
# picture, which their corners allow.
#
# Run:     recipes/laptop.sh /path/to/CCPD2019
# Machine: 2 cores of an AMD EPYC without AVX-512, no GPU, shared with other work
# Time:    22 to 28 minutes of CPU time for training on 419 photographs; the whole run 27 minutes, ten of them beside
#          other trainings
# Score:   on their 69 test photographs, seeds 0, 1 and 2: mAP 0.778, 0.764, 0.755; mAP50 1.000 each; mAP75 0.962, 0.962,
#          0.921. With split.seed and train.seed 1 and 2, on 99 and 92: mAP 0.791, 0.791; mAP50 0.997, 0.987; mAP75
#          0.940, 0.970. With a third of the steps, 350: mAP 0.762, 0.741, 0.755. From the sample's weights:
#          recipes/fine-tune.sh
set -eu
plates run \
    --set data.root="$1" \
    --set model.name=efficientdet-tiny \
    --set model.pretrained=none \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.024 \
    --set train.batch_size=32 \
    --set train.steps=1050 \
    --set augment.jitter_min=0.6 \
    --set augment.jitter_max=1.5 \
    --set augment.copy_paste=0.5
