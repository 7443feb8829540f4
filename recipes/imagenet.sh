#!/bin/sh
# A few hundred photographs, starting from ImageNet weights: an EfficientNetV2-B0 backbone; Keras downloads the weights.
#
# Run:     recipes/imagenet.sh /path/to/CCPD2019
# Machine: 2 cores, no GPU
# Time:    not measured here
# Score:   not measured here
set -eu
plates run \
    --set data.root="$1" \
    --set model.name=efficientdet-d0 \
    --set model.backbone=efficientnetv2-b0 \
    --set model.pretrained=imagenet \
    --set model.image_size=384 \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.024 \
    --set train.batch_size=8 \
    --set train.steps=500
