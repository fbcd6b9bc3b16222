"""The story of a call, step by step: what is asked of core, and what is then done in the world."""
