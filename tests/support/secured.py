"""A service that knows its callers by tokens, with a policy, and clients of it."""

import itertools
import time
from functools import lru_cache

import httpx

from tests.support.service import Service
from tests.support.tokens import AUDIENCE, ISSUER, claims, ec_key, jwks, signed

KEY = ec_key("main")
WORKSPACES = ("read-0", "read-1", "read-2", "read-3")
READERS = {
    f"reader-{bits}": [name for n, name in enumerate(WORKSPACES) if bits >> n & 1] for bits in range(16)
}
"""For each set of workspaces a principal that may read just these."""

ROOT = "/apis/models/v2/workspaces"


def grant(role, workspaces, **whom):
    lines = [f'role = "{role}"', f"workspaces = {list(workspaces)}"]
    lines += [
        f"{key} = {str(value).lower() if isinstance(value, bool) else value}" for key, value in whom.items()
    ]
    return "\n".join(["[[grants]]", *lines, ""])


BASE = "\n".join(
    [
        grant("viewer", ["matrix"], principals=["vera"]),
        grant("editor", ["matrix"], principals=["ed"]),
        grant("admin", ["*"], principals=["root", "service:controller"]),
        grant("editor", ["matrix"], principals=["blind"], secrets=False),
        grant("viewer", ["team"], groups=["ml"]),
        grant("editor", ["team"], claims="{ team = 'ml' }"),
        *(grant("viewer", names, principals=[reader]) for reader, names in READERS.items() if names),
        '[[services]]\nprincipal = "service:controller"\non_behalf_of = ["*"]\n',
        '[secrets]\nnames = ["LICEN[CS]E"]\nfields = ["/executor_config/override_config/hidden"]\n',
    ]
)


@lru_cache(maxsize=256)
def token(subject, **changes):
    """A token that lasts for all tests."""
    return signed(KEY, "ES256", claims(subject, **changes)).decode()


def bearer(subject, **changes):
    return {"authorization": f"Bearer {token(subject, **changes)}"}


class Secured:
    """A running service with its policy and key files; `as_` gives a client."""

    def __init__(self, directory, database_url, *flags):
        self.database_url = database_url
        self.policy, self.keys = directory / "policy.toml", directory / "keys.json"
        self.policy.write_text(BASE)
        self.keys.write_bytes(jwks(KEY))
        self._numbers = itertools.count()
        self.service = Service(
            *("--database-url", database_url, "--identity", "jwt", "--jwt-issuer", ISSUER),
            *("--jwt-audience", AUDIENCE, "--jwt-keys", self.keys, "--policy-file", self.policy),
            *("--watch-heartbeat-seconds", 0.5, "--log-format", "json", *flags),
        )
        self.url = self.service.url
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def close(self):
        self.client.close()
        self.service.end()

    def send(self, subject, method, path, **options):
        """The answer to a request of a principal, None being nobody; paths begin with the workspace."""
        headers = {} if subject is None else bearer(subject)
        given = {**headers, **options.pop("headers", {})}
        return self.client.request(method, f"{ROOT}/{path}", headers=given, **options)

    def rewrite(self, text):
        """Another policy, from one moment to the next, as careful people do it."""
        new = self.policy.with_suffix(f".{next(self._numbers)}")
        new.write_text(text)
        new.replace(self.policy)

    def wait(self, condition, seconds=15):
        """Whether a condition holds before long."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True
