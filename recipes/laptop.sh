#!/bin/sh
# A few hundred real photographs on a laptop: the small detector, from random weights.
#
# Run:     recipes/laptop.sh /path/to/CCPD2019
# Machine: 2 cores of an AMD EPYC, no GPU
# Time:    204 s for 419 photographs (README, "First results")
# Score:   mAP 0.698, mAP50 0.988, mAP75 0.904 on their 69 test photographs, one seed (README, "First results")
set -eu
plates run \
    --set data.root="$1" \
    --set model.name=efficientdet-tiny \
    --set model.pretrained=none \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.024 \
    --set train.batch_size=32 \
    --set train.steps=350 \
    --set augment.jitter_min=0.6 \
    --set augment.jitter_max=1.5 \
    --set nms.voting=0.65
