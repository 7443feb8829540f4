#!/bin/sh
# Dry run: the small default detector, from random weights, on 720 generated scenes. The values are those of params.yaml.
#
# Run:     recipes/sample.sh
# Machine: 2 cores of an AMD EPYC, no GPU
# Time:    245 s (README, "First results")
# Score:   on its 158 test scenes, seeds 0, 1 and 2: mAP 0.690, 0.666, 0.654; mAP50 0.993, 0.993, 0.985;
#          mAP75 0.879, 0.785, 0.816 (README, "First results")
set -eu
plates run \
    --set data.root=null \
    --set model.name=efficientdet-tiny \
    --set model.pretrained=none \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.024 \
    --set train.batch_size=32 \
    --set train.steps=350
