#!/bin/sh
# A few hundred photographs, starting from ImageNet weights: an EfficientNetV2-B0 backbone, its first three blocks frozen.
#
# Run:     recipes/imagenet.sh /path/to/CCPD2019 [WEIGHTS]; without a file, Keras downloads the weights
# Machine: 2 cores, no GPU, shared with other work (load 5 to 13)
# Time:    37 minutes for 419 photographs, 27 of them training; 24.6 minutes of CPU time for all
# Score:   mAP 0.745 (95%: 0.691 to 0.776), mAP50 0.990 (0.954 to 0.997), mAP75 0.949 (0.879 to 0.991) on their 69 test
#          photographs, split by plate, one seed
set -eu
plates run \
    --set data.root="$1" \
    --set model.name=efficientdet-tiny \
    --set model.backbone=efficientnetv2-b0 \
    --set model.pretrained="${2:-imagenet}" \
    --set model.aspect_ratios=auto \
    --set train.var_freeze_expr='efficientnetv2-b0/(stem|blocks_[0-2])/' \
    --set train.optimizer=adamw \
    --set train.learning_rate=0.012 \
    --set train.batch_size=8 \
    --set train.steps=450 \
    --set train.iou_loss_type=ciou \
    --set nms.voting=0.65
