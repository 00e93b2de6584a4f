"""What settings say about identity, checked as a whole before anything listens."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from app.key_set import BadKeySet, is_url, read_key_set, read_place
from app.policy import BadPolicy, load_policy
from app.settings import BadSetting, Settings, flag

Network = IPv4Network | IPv6Network

_OF_MODE: Final = {
    "trusted-proxy": ("trusted_proxies",),
    "jwt": ("jwt_issuer", "jwt_audience", "jwt_keys", "jwt_roles_claim"),
}
_OPTIONAL: Final = ("jwt_roles_claim",)
_TOGETHER: Final = "the settings together"


def require_safe(settings: Settings, host: str) -> None:
    """`BadSetting` unless the settings about identity fit each other, and the address that is listened on."""
    if settings.identity == "none" and not _is_loopback(host):
        _refuse(
            "identity",
            f"with none every caller is believed, so it serves only callers on this machine, but {host} can "
            "be reached from others; choose --identity jwt or trusted-proxy, or --host 127.0.0.1, or, if "
            "others really shall be believed whatever they say, --identity insecure-none",
        )
    for mode, names in _OF_MODE.items():
        for name in names:
            given = getattr(settings, name) is not None
            if given and settings.identity != mode:
                _refuse(name, f"it means nothing with --identity {settings.identity}; {mode} needs it")
            if not given and settings.identity == mode and name not in _OPTIONAL:
                _refuse(name, f"--identity {mode} needs it; give {flag(name)}")
    if settings.trusted_proxies is not None:
        trusted_networks(settings.trusted_proxies)
    if settings.jwt_keys is not None:
        _require_keys(settings.jwt_keys)
    if settings.policy_file is not None:
        try:
            load_policy(Path(settings.policy_file))
        except BadPolicy as bad:
            _refuse("policy_file", str(bad))


def who_is_believed(settings: Settings) -> str:
    """A sentence for the operator on how callers are known, and what they may do."""
    if settings.policy_file is not None:
        may = f"what {settings.policy_file} grants"
    elif settings.jwt_roles_claim is not None:
        may = f"what their claim {settings.jwt_roles_claim} grants"
    else:
        may = "everything"
    match settings.identity:
        case "jwt":
            return f"known by tokens of {settings.jwt_issuer}; they may do {may}"
        case "trusted-proxy":
            return f"known by what {settings.trusted_proxies} say of them; they may do {may}"
        case _:
            return f"believed what they say of themselves (identity {settings.identity}); they may do {may}"


def trusted_networks(text: str) -> tuple[Network, ...]:
    """The networks in a list with commas; `BadSetting` names what is none."""
    networks = []
    for part in text.split(","):
        try:
            network = ip_network(part.strip())
        except ValueError as error:
            _refuse("trusted_proxies", f"{error}; list addresses and networks, such as 10.1.2.3, 10.2.0.0/16")
        if network.prefixlen == 0:
            _refuse(
                "trusted_proxies", f"{network} is every address; if that is meant, --identity insecure-none"
            )
        networks.append(network)
    return tuple(networks)


def is_in(peer: str, networks: Sequence[Network]) -> bool:
    """Whether the address of a peer is in one of the networks, also if IPv6 carries an IPv4 one."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks if network.version == address.version)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_keys(place: str) -> None:
    if is_url(place):
        url = urlsplit(place)
        if url.scheme == "http" and not _is_loopback(url.hostname or ""):
            _refuse(
                "jwt_keys", f"{place} could be changed on its way; https is needed, except on this machine"
            )
        return  # whoever issues tokens may start later than we do
    try:
        read_key_set(read_place(place))
    except BadKeySet as bad:
        _refuse("jwt_keys", f"{place}: {bad}; give a file with a JSON Web Key Set, or the https URL of one")


def _refuse(name: str, problem: str) -> NoReturn:
    raise BadSetting(name, problem, _TOGETHER)
