#!/bin/sh
# Dry run: the small default detector, from random weights, on 720 generated scenes. The values are those of params.yaml.
#
# Run:     recipes/sample.sh
# Machine: 2 cores of an Intel Xeon (Sapphire Rapids), no GPU
# Time:    415 s (README, "First results")
# Score:   on its 158 test scenes, seeds 0, 1 and 2: mAP 0.782, 0.784, 0.786; mAP50 0.989, 0.989, 0.985;
#          mAP75 0.947, 0.923, 0.925 (README, "First results")
set -eu
plates run \
    --set data.root=null \
    --set model.name=efficientdet-tiny \
    --set model.pretrained=none \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.024 \
    --set train.batch_size=32 \
    --set train.steps=350
