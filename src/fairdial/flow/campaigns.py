"""A campaign by the name that people call it."""

from __future__ import annotations

from collections.abc import Sequence

from fairdial.core.campaign import Campaign
from fairdial.exceptions import SettingsError
from fairdial.ports import Transaction


async def campaign_named(tx: Transaction, name: str) -> Campaign:
    """The campaign of that name. Raises `SettingsError` that names those there are."""
    return named(await tx.all_campaigns(), name)


def named(campaigns: Sequence[Campaign], name: str) -> Campaign:
    """The one of that name. Raises `SettingsError` that names those there are."""
    campaign = next((one for one in campaigns if one.name == name), None)
    if campaign is None:
        names = ", ".join(repr(one.name) for one in campaigns[:10]) or "none"
        raise SettingsError(f"there is no campaign {name!r}; there are: {names}")
    return campaign
