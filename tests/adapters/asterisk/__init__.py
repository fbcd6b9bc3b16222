"""Tests of the adapter for Asterisk, on a real one."""
