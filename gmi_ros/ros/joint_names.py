"""The names that other drivers and descriptions give to the hand's joints."""

from gmi_ros.core.grasp import JOINTS

# Name of the preset -> names of spread, f1, f2, f3 there. The spread turns two joints; F1's is the one named.
PRESETS: dict[str, tuple[str, ...]] = {
    "": JOINTS,
    "robotnik": ("bh_j11_joint", "bh_j12_joint", "bh_j22_joint", "bh_j32_joint"),
    "jhu": ("finger_1/prox_joint", "finger_1/med_joint", "finger_2/med_joint", "finger_3/med_joint"),
    "libbarrett": ("spread", "inner_f1", "inner_f2", "inner_f3"),
}

# The same presets -> names of the outer joints of F1, F2, F3 there.
OUTER: dict[str, tuple[str, ...]] = {
    "": ("f1_outer", "f2_outer", "f3_outer"),
    "robotnik": ("bh_j13_joint", "bh_j23_joint", "bh_j33_joint"),
    "jhu": ("finger_1/dist_joint", "finger_2/dist_joint", "finger_3/dist_joint"),
    "libbarrett": ("outer_f1", "outer_f2", "outer_f3"),
}
