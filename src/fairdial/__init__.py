"""Fairdial: outbound calling for real. One call is one straight line, see ARCHITECTURE.md."""

__version__ = "0.1.0"
