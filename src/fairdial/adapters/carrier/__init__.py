"""The simulated phone network of test mode: a carrier and agents' phones, both over SIP and RTP.

Runs as processes of its own (`processes`) and keeps its own log (`witness`), so that what rang is
known independently of what Fairdial says. `docs/reference/carrier.md` tells how to script it.
"""
