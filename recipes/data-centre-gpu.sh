#!/bin/sh
# The whole of CCPD on one data-centre GPU (Ampere or later): D0 from COCO weights in bfloat16, ten epochs.
#
# Run:     recipes/data-centre-gpu.sh /path/to/CCPD2019
# Machine: one data-centre GPU
# Time:    not measured here
# Score:   not measured here
set -eu
plates run \
    --set data.root="$1" \
    --set model.name=efficientdet-d0 \
    --set model.pretrained=coco \
    --set train.mixed_precision=bfloat16 \
    --set train.optimizer=sgd \
    --set train.learning_rate=0.08 \
    --set train.batch_size=64 \
    --set train.steps=null \
    --set train.num_epochs=10
