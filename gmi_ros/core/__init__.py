"""Types, poses, errors, settings, observation and object frame: numpy and scipy only."""
