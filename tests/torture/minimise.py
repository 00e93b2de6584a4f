"""The smallest request that still does what a larger one did."""

import asyncio
import threading

TRIALS_MAX = 400


def smallest(request, fails):
    """`request` with headers and pieces of its body and target left out as long as `await fails(request)`."""
    found = []
    # Called from within a running loop, which has to stand still meanwhile.
    worker = threading.Thread(target=lambda: found.append(asyncio.run(_smallest(request, fails))))
    worker.start()
    worker.join()
    return found[0] if found else request


async def _smallest(request, fails):
    trials = TRIALS_MAX

    async def still_fails(candidate):
        nonlocal trials
        trials -= 1
        return trials > 0 and await fails(candidate)

    if not await still_fails(request):
        return request  # it takes more than this one request
    for header in request.headers:
        candidate = request._replace(headers=tuple(each for each in request.headers if each != header))
        if await still_fails(candidate):
            request = candidate
    for part in ("body", "target"):
        text = getattr(request, part) or b""
        size = len(text) // 2
        while size:
            at = 0
            while at < len(text):
                shorter = text[:at] + text[at + size :]
                if (part == "body" or shorter.startswith(b"/")) and await still_fails(
                    request._replace(**{part: shorter})
                ):
                    text = shorter
                    request = request._replace(**{part: text})
                else:
                    at += size
            size //= 2
    return request
