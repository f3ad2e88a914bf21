"""What the bridge knows: pure functions over plain values.

Nothing below this package touches the network, files, the environment, the clock,
randomness or asyncio; what it needs, it is given.
"""
