import asyncio
from urllib.parse import urlsplit

import pytest

from tests.torture.hostile_messages import MESSAGES
from tests.torture.wire import exchange


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_message(service_url, message):
    """What is wrong as HTTP is refused as the client's fault, and no later request gets another one's answer."""
    address = urlsplit(service_url)

    statuses, complaint = asyncio.run(exchange((address.hostname, address.port), message))

    assert complaint is None
    assert statuses or message.waits or message.name == "HTTP/2"
