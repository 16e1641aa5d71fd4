"""Grasp motor imagery for a three-finger BarrettHand on ROS 2."""

from pkgutil import extend_path

# The generated gmi_ros.msg / .srv / .action live in the install prefix; a checkout finds them there too.
__path__ = extend_path(__path__, __name__)
