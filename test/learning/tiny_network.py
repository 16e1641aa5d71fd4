"""A tiny untrained network that answers with grasps."""

import numpy as np
import torch

from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.networks import RCVAE


def tiny_network(seed: int = 1) -> RCVAE:
    """Its guess is a grasp from above, varied by a few millimetres."""
    hand, joints = load_hand(), np.array([0.0, 1.45, 1.45, 1.45])
    tips, pads = hand.tips(joints), hand.pad_normals(joints)
    object_from_palm = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    contacts = (tips - tips.mean(axis=0)) @ object_from_palm.T + [0.03, 0.0, 0.0]
    network = RCVAE(NetworkConfig(channels=(2, 2, 2, 2, 2), hidden=8, latent=4), seed=seed)
    with torch.no_grad():
        mean = np.concatenate([contacts, -pads @ object_from_palm.T]).ravel()
        network.normaliser.grasp_mean.copy_(torch.from_numpy(mean))
        network.normaliser.grasp_std.fill_(0.003)
    return network
