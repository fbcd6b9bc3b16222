"""Measurements that ship with the product: simulated worlds and what our code does in them."""
