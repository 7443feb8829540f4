"""The network: backbone, BiFPN, heads, anchors, and the table of the family's variants.

Here: Keras and NumPy only, so that every backend trains the same model. Not here: losses, weights from elsewhere, and
decoding the network's outputs into detections.
"""
