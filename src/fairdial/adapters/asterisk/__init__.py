"""The telephony engine Asterisk 22, driven through its REST interface (ARI)."""
