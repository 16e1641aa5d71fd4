"""The BarrettHand: kinematics, models for simulators, and the wrist solver (Eq. 7)."""
