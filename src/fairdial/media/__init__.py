"""Audio on the wire, as pure functions: RTP packets, G.711, SDP, and what the sandbox sounds like.

Shared by the telephony engine and the simulated carrier. Nothing here opens a socket or reads a
clock.
"""
