"""Names of hosts, looked up without holding anything up."""

from __future__ import annotations

import asyncio

from fairdial.exceptions import EngineUnavailable

_NAME_RESOLUTION_S = 3.0


async def resolve(host: str, port: int) -> tuple[str, int]:
    """The IPv4 address of a host. Raises `EngineUnavailable` when its name leads nowhere."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_NAME_RESOLUTION_S):
            found = await loop.getaddrinfo(host, port, family=2)
    except (OSError, TimeoutError) as failure:
        raise EngineUnavailable(
            f"{host} cannot be found ({failure}): check the name, or write an IPv4 address"
        ) from failure
    return str(found[0][4][0]), port
