"""An issuer of tokens with real keys, and a server on this machine that publishes them."""

import base64
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

ISSUER, AUDIENCE = "https://issuer.example", "deployment-ledger"


def rsa_key(kid="rsa"):
    return RSAKey.import_key(_pem(rsa.generate_private_key(65537, 2048)), {"kid": kid})


def ec_key(kid="ec", curve=None):
    return ECKey.import_key(_pem(ec.generate_private_key(curve or ec.SECP256R1())), {"kid": kid})


def ed_key(kid="ed"):
    return OKPKey.generate_key("Ed25519", {"kid": kid})


def oct_key(secret, kid="oct"):
    return OctKey.import_key(base64.urlsafe_b64encode(secret).decode().rstrip("="), {"kid": kid})


def _pem(key):
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def jwks(*keys, **members):
    """A JSON Web Key Set with the public keys."""
    return json.dumps({"keys": [key.as_dict(private=False) | members for key in keys]}).encode()


def claims(subject="ann", **changes):
    """What a valid token says; None leaves a claim out."""
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def part(value):
    """A segment of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(key, algorithm, said, **header):
    """A token with these claims, as bytes; `header` adds to or changes its header, None takes away."""
    head = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | header
    message = part({name: value for name, value in head.items() if value is not None}) + b"." + part(said)
    model = JWSRegistry.algorithms[{"EdDSA": "Ed25519"}.get(algorithm, algorithm)]
    return message + b"." + part(model.sign(message, key))


class Publisher:
    """`url` answers with `content`, after `delay` seconds; `asked` counts how often."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/jwks.json"
        self.content = b""
        self.status = 200
        self.delay = 0
        self.asked = 0


@contextmanager
def published(content=b""):
    """A server of keys, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            publisher.asked += 1
            time.sleep(publisher.delay)
            self.send_response(publisher.status)
            if publisher.status == 302:
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", str(len(publisher.content)))
            self.end_headers()
            self.wfile.write(publisher.content)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    publisher = Publisher(server.server_port)
    publisher.content = content
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield publisher
    server.shutdown()
    thread.join()
    server.server_close()
