"""The last metre: what a hand and an arm are asked to do for one grasp, and what they tell; nothing here knows ROS."""
