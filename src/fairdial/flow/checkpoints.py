"""Making checkpoints: when a run starts and ends, every so many entries between, and on request.

Table first, then the file outside of the database: a crash between the two leaves a checkpoint
that the file lacks, never one that the table lacks.
"""

from __future__ import annotations

import asyncio

from fairdial.core.checkpoint import EVERY, Checkpoint
from fairdial.core.ids import Instant
from fairdial.exceptions import FairdialError
from fairdial.flow.floor import Floor, log
from fairdial.ports import Checkpoints, Store

LOOK_S = 5.0
"""How often a run looks whether a checkpoint is due."""


async def make_checkpoint(store: Store, keys: Checkpoints, now: Instant) -> Checkpoint | None:
    """Sign the chain's end as it is now; None when that was done before."""
    checkpoint = await store.proof().add_checkpoint(lambda head: keys.sign(head, now))
    if checkpoint is not None:
        await asyncio.to_thread(keys.keep, checkpoint)
        log.info("checkpoint of entry %d by key %s", checkpoint.seq, checkpoint.key_id)
    return checkpoint


async def keep_checkpoints(
    floor: Floor, keys: Checkpoints, *, every: int = EVERY, look_s: float = LOOK_S
) -> None:
    """Make checkpoints beside a run, until cancelled."""
    last = (await floor.store.proof().head()).seq
    while True:
        await asyncio.sleep(look_s)
        try:
            if (await floor.store.proof().head()).seq >= last + every:
                checkpoint = await make_checkpoint(floor.store, keys, floor.clock.now())
                last = checkpoint.seq if checkpoint is not None else last
        except FairdialError as error:
            # Calls go on without: the chain itself still holds, and the next look tries again.
            log.error("no checkpoint: %s", error)
