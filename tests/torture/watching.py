"""A reader that follows the log by watch through every failure, and comes back to where it was."""

import asyncio
import json

import httpx

from tests.torture.clients import WORKSPACE

SILENCE_SECONDS_MAX = 30.0
AGAIN_SECONDS = 0.1


class Follower:
    """Its `events` are those that came: position, kind, name and reason."""

    def __init__(self, url):
        self._url = f"{url}/apis/models/v2/workspaces/{WORKSPACE}/watch?after=0"
        self.events = []
        self.connections = 0
        self._grown = asyncio.Condition()

    @property
    def position(self):
        """That of the last event that came."""
        return self.events[-1][0] if self.events else 0

    async def run(self):
        """Follow until cancelled."""
        async with httpx.AsyncClient(timeout=SILENCE_SECONDS_MAX, trust_env=False) as http:
            while True:
                try:
                    await self._follow(http)
                except httpx.TransportError:
                    await asyncio.sleep(AGAIN_SECONDS)

    async def reach(self, position, seconds):
        """Wait until it comes as far as `position`; `TimeoutError` if it does not."""
        async with asyncio.timeout(seconds), self._grown:
            await self._grown.wait_for(lambda: self.position >= position)

    async def _follow(self, http):
        headers = {"last-event-id": str(self.position)} if self.events else {}
        async with http.stream("GET", self._url, headers=headers) as response:
            if response.status_code != 200:
                await asyncio.sleep(AGAIN_SECONDS)
                return
            self.connections += 1
            event = {}
            async for line in response.aiter_lines():
                if line:
                    field, _, value = line.partition(": ")
                    event[field] = value
                elif "id" in event:
                    data = json.loads(event["data"])
                    self.events.append((int(event["id"]), event["event"], data["name"], data["reason"]))
                    event = {}
                    async with self._grown:
                        self._grown.notify_all()
