"""The gate: alone means alone, and nobody who stops waiting leaves it shut."""

import asyncio
import threading

from emeritus.voices.gate import Gate


def test_alone_waits_for_those_inside_and_keeps_others_out():
    """One who wants the engine alone gets it after those inside, and before those who came later."""

    async def scene() -> list[str]:
        gate, seen, leave = Gate(), [], asyncio.Event()
        entered = threading.Event()

        async def share(name: str) -> None:
            async with gate.together():
                seen.append(name)
                await leave.wait()

        def have() -> None:
            with gate.alone():
                seen.append("alone")
                entered.set()

        first = asyncio.create_task(share("first"))
        await asyncio.sleep(0)
        alone = asyncio.create_task(asyncio.to_thread(have))
        while not gate._queue:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        later = asyncio.create_task(share("later"))
        await asyncio.sleep(0.01)
        assert seen == ["first"]
        leave.set()
        await asyncio.gather(first, alone, later)
        return seen

    assert asyncio.run(scene()) == ["first", "alone", "later"]


def test_one_who_stops_waiting_gives_up_the_place():
    """A caller that hangs up while it waits blocks nobody after it, and takes no place with it."""

    async def scene() -> None:
        gate = Gate()
        inside, out = threading.Event(), threading.Event()

        def have() -> None:
            with gate.alone():
                inside.set()
                out.wait(10)

        async def share() -> None:
            async with gate.together():
                pass

        holder = asyncio.create_task(asyncio.to_thread(have))
        await asyncio.to_thread(inside.wait, 10)
        waiting = [asyncio.create_task(share()) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.sleep(0)
        out.set()
        await asyncio.gather(holder, *waiting, return_exceptions=True)
        await share()
        with gate.alone_if_free() as free, gate.alone_if_free() as second:
            assert (free, second) == (True, False)
        assert (gate._inside, gate._alone) == (0, False)

    asyncio.run(scene())


def test_many_threads_never_overlap_alone():
    """However many want it alone, there is one at a time."""
    gate, inside, worst = Gate(), [0], [0]

    def have() -> None:
        for _ in range(50):
            with gate.alone():
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=have) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == [1]
    assert gate._inside == 0
