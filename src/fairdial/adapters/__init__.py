"""The doing, thin: each adapter translates one outside world into our words and stops there."""
