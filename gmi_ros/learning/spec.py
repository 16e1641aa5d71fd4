"""Shapes of what goes into the network and what comes out."""

IMAGE_SIZE = 64
IMAGE_CHANNELS = 5  # red, green, blue in [0, 1], depth relative to the object [m], mask 0 or 1 (paper, IV-A1)
IMAGE_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, IMAGE_CHANNELS)
GRASP_DIM = 18  # p1 p2 p3 [m], n1 n2 n3 (unit, outward), all in {O} (paper, IV-A2)
# What an evaluator tells of a grasp: that it holds as planned, and with an error of the wrist, and that the closing hand
# hardly turns an object which nothing else holds.
JUDGEMENTS = HELD, SHARE, STEADY = 0, 1, 2
