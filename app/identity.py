"""Which requests are let in, and with what they may do: the policy applied to who is calling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from app.admission import (
    ADMITTED_KEY,
    Admitted,
    Denied,
    denied,
    never,
    report,
    require,
    workspace_of,
)
from app.answers import problem
from app.callers import OPEN_PATHS, Bearing, Believed, Rejection, Source
from app.headers import MalformedHeader
from app.identity_settings import trusted_networks
from app.key_set import KeySet
from app.policy import Policies
from app.settings import Settings
from app.tokens import Expected, Tokens, Verified
from domain.authorisation import ANY, EVERYONE, IDENTIFIED, UNKNOWN, Access, Caller, Policy
from domain.names import ALL_WORKSPACES

_log = structlog.get_logger()


class Identity:
    """Admits requests to one process, by who sends them and what the policy in force lets them do."""

    def __init__(self, source: Source, policies: Policies, key_set: KeySet | None = None) -> None:
        self.policies = policies
        self._source = source
        self._key_set = key_set
        self._following: list[asyncio.Task[None]] = []
        self._unknown: Admitted | None = None
        """What is noted of callers without identity, if that cannot change."""

    def start(self) -> None:
        """Keep policy and keys fresh, on the running loop."""
        follows = [] if self.policies.is_fixed else [self.policies.follow]
        follows += [] if self._key_set is None else [self._key_set.follow]
        self._following = [asyncio.create_task(follow()) for follow in follows]
        for task in self._following:
            task.add_done_callback(_ended)

    async def stop(self) -> None:
        """Leave them as they are."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    def problems(self) -> list[str]:
        """What keeps callers from being admitted."""
        found = []
        if self._key_set is not None and not self._key_set.keys:
            found.append("the keys to check tokens with cannot be read")
        if self.policies.problem is not None and self.policies.is_missing:
            found.append("the policy file cannot be used: nobody may do anything")
        return found

    def warnings(self) -> list[str]:
        """What is wrong, though all goes on with what there was before."""
        found = []
        if any(task.done() for task in self._following):
            found.append("policy or keys are not kept fresh any more: start the service again")
        if self._key_set is not None and self._key_set.keys and self._key_set.problem is not None:
            found.append("the keys to check tokens with cannot be read; those from before are in use")
        if self.policies.problem is not None and not self.policies.is_missing:
            found.append("the policy file cannot be used; the policy before is in force")
        return found

    async def admit(self, scope: Any) -> Rejection | None:
        """Note in the scope who calls and what they may do; or why the request is turned away."""
        try:
            verified = await self._source.of(scope)
        except MalformedHeader as malformed:
            return Rejection(problem(400, str(malformed)), "malformed", str(malformed))
        except Rejection as rejection:
            report(scope, rejection.kind, rejection.reason)
            return rejection
        caller, access = self._note(scope, verified)
        try:
            self._require_rights(scope, caller, access)
        except Denied as denial:
            answer, headers = denied(scope, denial)
            return Rejection(answer, "denied", denial.reason, headers)
        return None

    def admits_at_once(self, scope: Any) -> bool:
        """Note the same without waiting; False, which nobody is told, leaves the rest to `admit`."""
        try:
            verified = self._source.at_once(scope)
            if verified is not None:
                self._require_rights(scope, *self._note(scope, verified))
        except (MalformedHeader, Rejection, Denied):
            return False
        return verified is not None

    def _note(self, scope: Any, verified: Verified) -> tuple[Caller, Access]:
        admitted = self._unknown
        if admitted is None or verified.caller is not UNKNOWN:
            caller = verified.caller
            access = self.policies.access_of(caller)
            admitted = Admitted(caller, access, self._over(verified, access), self._source.challenge)
            if caller is UNKNOWN and self.policies.is_fixed:
                self._unknown = admitted
        scope[ADMITTED_KEY] = admitted
        return admitted.caller, admitted.access

    def _require_rights(self, scope: Any, caller: Caller, access: Access) -> None:
        """`Denied` if the caller may not even know what there is."""
        if "read" in access.everywhere and not caller.principal.on_behalf_of:
            return
        if scope["path"].startswith(OPEN_PATHS):
            return
        _require_some_access(caller, access)
        self._require_may_act_for_another(caller)
        workspace = workspace_of(scope["path"])
        if workspace not in {None, ALL_WORKSPACES}:
            require(access, "read", str(workspace))

    def _require_may_act_for_another(self, caller: Caller) -> None:
        policy, principal = self.policies.current, caller.principal
        if policy.unrestricted is not None and self._source.vouches:
            return
        if not policy.may_act_for_another(principal):
            raise Denied(
                f"'{principal.id}' is no service that may act on behalf of '{principal.on_behalf_of}'"
            )
        # Whoever could name groups at will would have the rights of anybody.
        if (
            principal.on_behalf_of_groups
            and not self._source.vouches
            and ANY not in policy.services[principal.id]
        ):
            raise Denied(
                f"'{principal.id}' may act on behalf of some only, so it may not say in which groups they are"
            )

    def _over(self, verified: Verified, access: Access) -> Callable[[], str | None]:
        """What says later why the caller may not go on, or may see something else."""
        if verified.token is None and self.policies.is_fixed:
            return never
        policy, caller = self.policies.current, verified.caller

        def over() -> str | None:
            if time.time() > verified.expires_at:
                return "The token has expired"
            if not self._source.still_holds(verified):
                return "The token is not valid any more"
            if self.policies.current is policy:
                return None
            if self.policies.access_of(caller) != access:
                return "What the caller may see has changed"
            try:
                self._require_may_act_for_another(caller)
            except Denied as denial:
                return denial.reason
            return None

        return over


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.error("policy or keys are not kept fresh any more", exc_info=fault)


def _require_some_access(caller: Caller, access: Access) -> None:
    """Those who are known may find out that they may do nothing; others are asked who they are first."""
    if caller.is_anonymous and access.is_nothing:
        raise Denied("The caller has no identity")


def identity_of(settings: Settings) -> Identity:
    """Identity as the settings want it, which fit each other."""
    file = None if settings.policy_file is None else Path(settings.policy_file)
    policies = Policies(_policy_without_file(settings), file)
    if settings.identity == "jwt":
        key_set = KeySet(settings.jwt_keys or "")
        expected = Expected(
            settings.jwt_issuer or "",
            settings.jwt_audience or "",
            settings.jwt_principal_claim,
            settings.jwt_groups_claim,
        )
        tokens = Tokens(key_set, expected)
        key_set.changed = tokens.forget
        return Identity(Bearing(key_set, tokens), policies, key_set)
    if settings.identity == "trusted-proxy":
        return Identity(Believed(trusted_networks(settings.trusted_proxies or "")), policies)
    return Identity(Believed(None), policies)


def _policy_without_file(settings: Settings) -> Policy:
    if settings.jwt_roles_claim is not None:
        return Policy(roles_claim=settings.jwt_roles_claim)
    return IDENTIFIED if settings.identity in _IDENTIFYING else EVERYONE


_IDENTIFYING: Final = ("jwt", "trusted-proxy")
