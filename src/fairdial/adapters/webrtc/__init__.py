"""Browsers as phones (WebRTC): ICE, DTLS and SRTP on one side, plain RTP on loopback on the other.

A building block for adapters of telephony, whatever their engine: it knows none of them.
"""
