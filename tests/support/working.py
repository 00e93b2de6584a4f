"""Clients that work side by side, each in a thread of its own, until told to stop."""

import itertools
import threading

import httpx


class Working:
    """`with` it they work; `failures` are those of them that were not answered as they expected."""

    def __init__(self, count, base_url=""):
        self.failures = []
        self.base_url = base_url
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def act(self, client, number, n):
        """What the client of that number does the n-th time."""
        raise NotImplementedError

    def _work(self, number):
        try:
            with httpx.Client(base_url=self.base_url, timeout=60) as client:
                for n in itertools.count():
                    if self._ending.is_set():
                        return
                    self.act(client, number, n)
        except (AssertionError, KeyError, httpx.HTTPError) as failure:
            self.failures.append(repr(failure))
