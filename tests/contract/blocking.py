"""The asynchronous client, driven as if it were the synchronous one."""

import inspect


class Blocking:
    """The asynchronous client, with every call run to its end: the same tests then drive both."""

    def __init__(self, target, run):
        self._target = target
        self._run = run

    def __getattr__(self, name):
        value = getattr(self._target, name)
        return self._called(value) if callable(value) else Blocking(value, self._run)

    def _called(self, method):
        def call(*arguments, **options):
            result = method(*arguments, **options)
            if not inspect.isawaitable(result):
                return result
            answer = self._run(_awaited(result))
            return BlockingPage(answer, self._run) if hasattr(answer, "next_page_info") else answer

        return call


class BlockingPage:
    """A page of the asynchronous client that iterates over all items of it and the pages after it."""

    def __init__(self, page, run):
        self._page = page
        self._run = run

    def __getattr__(self, name):
        return getattr(self._page, name)

    def __iter__(self):
        return iter(self._run(_collected(self._page)))


async def _awaited(awaitable):
    return await awaitable


async def _collected(page):
    return [item async for item in page]
