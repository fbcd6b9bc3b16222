"""The embedded telephony engine: SIP over UDP and G.711 over RTP, in a process of its own.

`telephony` is the dialer's half. Behind the control socket, `worker` is the process, `engine` its
calls, `dialog` their SIP, `media` their audio, `wirelog` what outlives a crash, and `orphans` ends
what a crash left behind.
"""
