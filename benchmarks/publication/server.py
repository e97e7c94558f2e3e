"""A mail server in a process of its own: takes everything, counts it, and keeps one mail in a hundred.

Says its port, then waits for its standard input to end; then says, as JSON, who got how many, and the mails kept.
"""

import asyncio
import base64
import json
import sys
from collections import Counter

from aiosmtpd.smtp import SMTP


class Count:
    def __init__(self):
        self.got: Counter[str] = Counter()
        self.kept: list[bytes] = []

    async def handle_DATA(self, server, session, envelope):
        self.got[envelope.rcpt_tos[0]] += 1
        if self.got.total() % 100 == 1:
            self.kept.append(envelope.original_content)
        return "250 taken"


async def main() -> None:
    count, loop = Count(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(count, hostname="mx.example", loop=loop, data_size_limit=1 << 26), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    kept = [base64.b64encode(each).decode() for each in count.kept]
    print(json.dumps({"got": count.got, "kept": kept}), flush=True)
    server.close()


asyncio.run(main())
