"""The decisions, pure: values in, values out. No I/O, clock, randomness, logging or waiting.

Whoever reads one call follows it through `flow`; whoever asks *why* it went that way reads here.
"""
