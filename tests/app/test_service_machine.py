"""Random command sequences over HTTP against a small model of what the service promises."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

DEPLOYMENTS = st.sampled_from(["a", "b"])
CONFIGS = st.sampled_from(["c", "d"])
VERSIONS = st.integers(1, 6)
STATUSES = st.sampled_from(["READY", "ERROR", "DELETED", "DELETED", "DELETING"])
CONFIG_BODY = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
MESSAGE = {"CREATED": "Deployment created", "PENDING": "Deployment update pending"}
DELETION = ("DELETING", "Deployment deletion requested")
RUN = itertools.count()


class ServiceMachine(RuleBasedStateMachine):
    """Drives one workspace of its own; what the model expects is asserted on every answer."""

    url = ""

    def __init__(self):
        super().__init__()
        self.workspace = f"machine-{next(RUN)}"
        base = f"{self.url}/apis/models/v2/workspaces/{self.workspace}"
        self.client = httpx.Client(base_url=base)
        self.configs = {}  # name -> {version: etag}
        self.deployments = {}  # name -> {version: {"config", "config_version", "pairs", "etag"}}
        self.given_out = {}  # (resource, name) -> highest version number ever
        self.known = {}  # (name, version) -> its id: a version never becomes another object

    def teardown(self):
        self.client.close()

    def post(self, path, body=None, **headers):
        return self.client.post(path, json=body, headers=headers)

    def next_version(self, resource, name):
        number = self.given_out.get((resource, name), 0) + 1
        self.given_out[resource, name] = number
        return number

    def users(self, config, version=None):
        """Deployments of which the highest version that refers to the config is not DELETED."""
        count = 0
        for versions in self.deployments.values():
            referring = [v for _, v in sorted(versions.items()) if v["config"] == config]
            if referring and referring[-1]["pairs"][-1][0] != "DELETED":
                count += version in (None, referring[-1]["config_version"])
        return count

    def resolve(self, config, version):
        versions = self.configs.get(config, {})
        if version is None:
            return max(versions, default=None)
        return version if version in versions else None

    def added(self, name, answer, config, pinned, status):
        number = self.next_version("deployments", name)
        body = answer.json()
        assert 201 == answer.status_code
        assert (number, config, pinned, status, MESSAGE[status], [], None) == (
            body["entity_version"],
            body["config"],
            body["config_version"],
            body["status"],
            body["status_message"],
            body["status_history"],
            body["model_provider_id"],
        )
        self.deployments.setdefault(name, {})[number] = {
            "config": config,
            "config_version": pinned,
            "pairs": [(status, MESSAGE[status])],
            "etag": answer.headers["etag"],
        }
        assert self.known.setdefault((name, number), body["id"]) == body["id"]

    @rule(name=CONFIGS)
    def create_config(self, name):
        answer = self.post("/deployment-configs", {"name": name, **CONFIG_BODY})

        if name in self.configs:
            assert 409 == answer.status_code
        else:
            number = self.next_version("configs", name)
            assert (201, number) == (answer.status_code, answer.json()["entity_version"])
            self.configs[name] = {number: answer.headers["etag"]}

    @rule(name=CONFIGS)
    def update_config(self, name):
        answer = self.post(f"/deployment-configs/{name}", CONFIG_BODY)

        if name in self.configs:
            number = self.next_version("configs", name)
            assert (201, number) == (answer.status_code, answer.json()["entity_version"])
            self.configs[name][number] = answer.headers["etag"]
        else:
            assert 400 == answer.status_code

    @rule(name=CONFIGS, version=st.none() | VERSIONS)
    def delete_config(self, name, version):
        path = f"/deployment-configs/{name}" + (f"/versions/{version}" if version else "")
        answer = self.client.delete(path)

        stored = self.configs.get(name, {})
        if self.users(name, version):
            assert 409 == answer.status_code
            assert f"because {self.users(name, version)} ModelDeployment(s)" in answer.json()["detail"]
        elif not stored or (version and version not in stored):
            assert 404 == answer.status_code
        else:
            assert (204, b"") == (answer.status_code, answer.content)
            for number in [version] if version else list(stored):
                del stored[number]
            if not stored:
                del self.configs[name]

    @rule(name=DEPLOYMENTS, config=CONFIGS, version=st.none() | VERSIONS)
    def create_deployment(self, name, config, version):
        body = {"name": name, "config": config, "config_version": version}
        answer = self.post("/deployments", body)

        pinned = self.resolve(config, version)
        if name in self.deployments:
            assert 409 == answer.status_code
        elif pinned is None:
            assert 400 == answer.status_code
        else:
            self.added(name, answer, config, pinned, "CREATED")

    @rule(
        name=DEPLOYMENTS,
        config=CONFIGS,
        version=st.none() | VERSIONS,
        match=st.sampled_from(["", "now", "stale"]),
    )
    def update_deployment(self, name, config, version, match):
        stored = self.deployments.get(name)
        headers = {}
        if match and stored:
            headers["if-match"] = stored[max(stored)]["etag"] if match == "now" else '"0"'
        body = {"config": config, "config_version": version}
        answer = self.post(f"/deployments/{name}", body, **headers)

        pinned = self.resolve(config, version)
        if not stored:
            assert 400 == answer.status_code
        elif match == "stale":
            assert 412 == answer.status_code
        elif pinned is None:
            assert 400 == answer.status_code
        else:
            self.added(name, answer, config, pinned, "PENDING")

    @rule(
        name=DEPLOYMENTS,
        version=st.none() | VERSIONS,
        match=st.sampled_from(["", "now", "stale"]),
        dry_run=st.booleans(),
    )
    def roll_back(self, name, version, match, dry_run):
        stored = self.deployments.get(name, {})
        headers = {}
        if match and stored:
            headers["if-match"] = stored[max(stored)]["etag"] if match == "now" else '"0"'
        path = f"/deployments/{name}/rollback"
        foretold = self.post(f"{path}?dry_run=true", {"version": version}, **headers) if dry_run else None
        answer = self.post(path, {"version": version}, **headers)

        if foretold is not None:
            assert foretold.status_code == answer.status_code
        ready = [n for n in sorted(stored)[:-1] if any(pair[0] == "READY" for pair in stored[n]["pairs"])]
        restored = version or max(ready, default=None)
        if not stored:
            assert 404 == answer.status_code
        elif match == "stale":
            assert 412 == answer.status_code
        elif restored is None:
            assert 409 == answer.status_code
        elif restored not in stored:
            assert 404 == answer.status_code
        else:
            self.restored(name, answer, stored[restored], stored[max(stored)])

    def restored(self, name, answer, earlier, latest):
        """The answer to a rollback to what is stored."""
        config, version = earlier["config"], earlier["config_version"]
        if (config, version) == (latest["config"], latest["config_version"]):
            assert 409 == answer.status_code
        elif self.resolve(config, version) is None:
            assert 400 == answer.status_code
        else:
            self.added(name, answer, config, version, "PENDING")

    @rule(name=DEPLOYMENTS, count=st.integers(2, 8))
    def update_together(self, name, count):
        stored = self.deployments.get(name)
        if not stored:
            return
        config = stored[max(stored)]["config"]
        pinned = self.resolve(config, None)
        if pinned is None:
            return
        with ThreadPoolExecutor(count) as threads:
            answers = list(
                threads.map(lambda _: self.post(f"/deployments/{name}", {"config": config}), range(count))
            )

        for answer in sorted(answers, key=lambda answer: answer.json()["entity_version"]):
            self.added(name, answer, config, pinned, "PENDING")

    @rule(name=DEPLOYMENTS, version=st.none() | VERSIONS, status=STATUSES, message=st.sampled_from(["", "m"]))
    def report_status(self, name, version, status, message):
        query = f"?version={version}" if version else ""
        body = {"status": status, "status_message": message}
        answer = self.post(f"/deployments/{name}/status{query}", body)

        stored = self.deployments.get(name, {})
        number = version or max(stored, default=None)
        if number not in stored:
            assert 404 == answer.status_code
            return
        pairs = stored[number]["pairs"]
        if pairs[-1][0] == "DELETING" and status != "DELETED":
            assert 409 == answer.status_code
            return
        assert 200 == answer.status_code
        if pairs[-1] == (status, message):
            assert stored[number]["etag"] == answer.headers["etag"]
        else:
            pairs.append((status, message))
            assert stored[number]["etag"] != answer.headers["etag"]
            stored[number]["etag"] = answer.headers["etag"]

    @rule(name=DEPLOYMENTS, version=st.none() | VERSIONS)
    def delete_deployment(self, name, version):
        path = f"/deployments/{name}" + (f"/versions/{version}" if version else "")
        answer = self.client.delete(path)

        stored = self.deployments.get(name, {})
        concerned = {n: v for n, v in stored.items() if version in (None, n)}
        if not concerned:
            assert 404 == answer.status_code
        elif all(v["pairs"][-1][0] == "DELETED" for v in concerned.values()):
            assert (204, b"") == (answer.status_code, answer.content)
            for number in concerned:
                del stored[number]
            if not stored:
                del self.deployments[name]
        else:
            assert (202, b"null") == (answer.status_code, answer.content)
            for state in concerned.values():
                if state["pairs"][-1][0] not in ("DELETING", "DELETED"):
                    state["pairs"].append(DELETION)
                    state["etag"] = None

    @rule(name=DEPLOYMENTS, key=st.sampled_from(["k1", "k2"]))
    def update_twice_with_a_key(self, name, key):
        stored = self.deployments.get(name)
        if not stored:
            return
        config = stored[max(stored)]["config"]
        pinned = self.resolve(config, None)
        key = f"{self.workspace}-{key}-{self.given_out['deployments', name]}-{len(self.known)}"
        first = self.post(f"/deployments/{name}", {"config": config}, **{"idempotency-key": key})
        again = self.post(f"/deployments/{name}", {"config": config}, **{"idempotency-key": key})

        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert "true" == again.headers["idempotency-replayed"]
        if pinned is None:
            assert 400 == first.status_code
        else:
            self.added(name, first, config, pinned, "PENDING")

    @invariant()
    def readers_see_the_model(self):
        for name in ("a", "b"):
            self.check_deployment(name, self.deployments.get(name, {}))
        listed = self.client.get("/deployments").json()
        shown = {item["name"]: item["entity_version"] for item in listed["data"]}
        assert {name: max(versions) for name, versions in self.deployments.items()} == shown
        assert len(self.deployments) == listed["pagination"]["total_results"]
        every = self.client.get("/deployments?all_versions=true&page_size=1000").json()
        assert sum(map(len, self.deployments.values())) == every["pagination"]["total_results"]
        configs = self.client.get("/deployment-configs").json()["data"]
        assert {name: max(v) for name, v in self.configs.items()} == {
            item["name"]: item["entity_version"] for item in configs
        }

    def check_deployment(self, name, expected):
        latest = self.client.get(f"/deployments/{name}")
        every = self.client.get(f"/deployments/{name}/versions").json()
        if not expected:
            assert (404, []) == (latest.status_code, every)
            return
        assert sorted(expected, reverse=True) == [body["entity_version"] for body in every]
        assert every[0] == latest.json()
        for body in every:
            state = expected[body["entity_version"]]
            one = self.client.get(f"/deployments/{name}/versions/{body['entity_version']}")
            assert body == one.json()
            state["etag"] = state["etag"] or one.headers["etag"]
            assert state["etag"] == one.headers["etag"]
            history = [(item["status"], item["status_message"]) for item in body["status_history"]]
            assert (state["pairs"] if len(state["pairs"]) > 1 else []) == history
            assert state["pairs"][-1] == (body["status"], body["status_message"])
            assert self.known[name, body["entity_version"]] == body["id"]
            assert json.dumps(body["auth_context"]["principal_id"]) == '""'


def test_the_service_keeps_its_promises(service_url):
    """Random creates, updates, reports and deletes, alone and together, are answered as the model says."""
    machine = type("Machine", (ServiceMachine,), {"url": service_url})

    run_state_machine_as_test(
        machine, settings=settings(max_examples=15, stateful_step_count=40, deadline=None)
    )
