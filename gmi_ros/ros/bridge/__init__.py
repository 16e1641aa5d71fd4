"""hand_bridge, its adapters to drivers of hands and arms, and mock drivers."""
