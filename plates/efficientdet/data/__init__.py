"""From TFRecords to the network's batches: reading, resizing, augmentation, sampling (TensorFlow).

Here: pixels and boxes on their way into training. Not here: matching boxes with anchors (`training`), and the network,
which must not need TensorFlow (`model`).
"""
