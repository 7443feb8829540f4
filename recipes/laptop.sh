#!/bin/sh
# A few hundred real photographs on a laptop: the small detector, from random weights.
#
# Run:     recipes/laptop.sh /path/to/CCPD2019
# Machine: 2 cores of an Intel Xeon (Sapphire Rapids), no GPU
# Time:    193 s of training (324 s of CPU time) for 419 photographs
# Score:   on their 69 test photographs, seeds 0, 1 and 2: mAP 0.750, 0.659, 0.710; mAP50 0.996, 0.986, 0.987;
#          mAP75 0.956, 0.841, 0.909. From the sample's weights: recipes/fine-tune.sh
set -eu
plates run \
    --set data.root="$1" \
    --set model.name=efficientdet-tiny \
    --set model.pretrained=none \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.024 \
    --set train.batch_size=32 \
    --set train.steps=350 \
    --set train.assignment=iou \
    --set augment.jitter_min=0.6 \
    --set augment.jitter_max=1.5 \
    --set nms.voting=0.65
