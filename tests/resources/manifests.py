"""Manifests on which the API server and the offline check must agree."""

from typing import Any

import yaml

from perdure.resources.base import API_VERSION

Manifest = dict[str, Any]
STEPS: list[Any] = [{"name": "a", "wait": {"for": "1s"}}]


def manifest(kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def definition(name: str = "order", **spec: Any) -> Manifest:
    return manifest("WorkflowDefinition", name, {"steps": STEPS} | spec)


def instance(name: str = "order-1", **spec: Any) -> Manifest:
    return manifest("WorkflowInstance", name, {"definitionRef": {"name": "order"}} | spec)


def event(name: str = "e1", **spec: Any) -> Manifest:
    return manifest("WorkflowEvent", name, {"instance": "order-1", "name": "approved"} | spec)


def history(name: str = "h1", **spec: Any) -> Manifest:
    content = {"instanceUid": "u", "kind": "Segment", "firstId": 1, "lastId": 2} | spec
    return manifest("WorkflowHistory", name, content)


def log(name: str = "g1-0-7", **spec: Any) -> Manifest:
    entry = {"generation": 1, "lanes": 3, "lane": 0, "seq": 7, "kind": "Turns", "data": ""}
    content = entry | {"incarnation": "a_1", "nonce": "n", "codec": "turns/1"} | spec
    return manifest("WorkflowLog", name, content)


FULL: Manifest = yaml.safe_load(
    """
    description: Everything that this version knows.
    input: {schema: {type: object, properties: {id: {type: string}}}}
    vars: {tries: 0, list: [1, null, {a: b}]}
    defaults: {retry: {attempts: 2}, timeout: 5m}
    timeout: 7d
    retention: {succeeded: 1d, failed: 2d, terminated: 12h}
    output: "${steps.charge.output}"
    steps:
    - name: charge
      when: input.id != ""
      needs: []
      retry: {attempts: -1, delay: 100ms, factor: 1.5, maxDelay: 1m, jitter: Full,
              attemptTimeout: 3s, when: error.retryable}
      timeout: ${vars.limit}
      http:
        {method: POST, service: payments, port: 8080, scheme: http, path: "/charges/${input.id}",
         query: {a: [1, 2]}, headers: {x: y}, body: [1, {a: 2.5}], expect: result.code == 201,
         poll: {path: /state, every: 10s, until: result.body.done}}
      catch:
      - {when: error.code == 402, do: {raise: {type: CardDeclined, message: refused, code: 402,
                                               details: {a: 1}, retryable: false}}}
      - {flow: repair, with: {why: "${error.type}"}}
      - {output: {ok: false}}
      onUnknown: Fail
    - name: decide
      switch:
        cases:
        - {when: "true", flow: repair, with: {why: x}}
        - when: "false"
          do: {http: {url: "https://example.org/", form: {a: b}}, retry: {attempts: 2},
               catch: [{flow: repair, with: {why: y}}], output: "${result.code}", timeout: 1m}
        default: {do: {set: {tries: "${vars.tries + 1}"}}}
    - {name: approved, event: {name: approved, where: "true", count: 2, onTimeout: Continue},
       timeout: 3d}
    - {name: pause, wait: {at: "2030-01-31T09:00:00Z"}}
    - {name: fix, call: {flow: repair, with: {why: z}}}
    - {name: done, return: {value: [1, "a"]}}
    flows:
    - name: repair
      params: [why]
      vars: {x: 1}
      steps: [{name: a, wait: {for: 1h30m}}]
      output: ok
    """
)


def step(**fields: Any) -> Manifest:
    return definition(steps=[{"name": "a"} | fields])


def http(**fields: Any) -> Manifest:
    return step(http={"service": "s"} | fields)


def case(**fields: Any) -> Manifest:
    return step(switch={"cases": [{"when": "true"} | fields]})


def do(**fields: Any) -> Manifest:
    return case(do=fields)


WAIT: Manifest = {"for": "1s"}

# What is wrong: the manifest, the path of the fault, and words of the offline message.
WRONG: dict[str, tuple[Manifest, str, str]] = {
    "no steps": (definition(steps=[]), "spec.steps", "must not be empty"),
    "too many steps": (definition(steps=STEPS * 201), "spec.steps", "at most 200 items"),
    "no verb": (step(), "spec.steps[0]", "exactly one of the verbs http, wait"),
    "two verbs": (step(wait=WAIT, call={"flow": "f"}), "spec.steps[0]", "exactly one of the verbs"),
    "unknown verb": (step(htpp={}, wait=WAIT), "spec.steps[0].htpp", "unknown field"),
    "later verb": (step(pod={}, wait=WAIT), "spec.steps[0].pod", "unknown field"),
    "undo": (step(undo={}, wait=WAIT), "spec.steps[0].undo", "unknown field"),
    "name": (step(name="Bad-name", wait=WAIT), "spec.steps[0].name", "must be a name"),
    "name as a number": (step(name=1, wait=WAIT), "spec.steps[0].name", "must be a text"),
    "empty when": (step(when="", wait=WAIT), "spec.steps[0].when", "must not be empty"),
    "when is a boolean": (step(when=True, wait=WAIT), "spec.steps[0].when", "must be a text"),
    "duration": (step(wait={"for": "3 days"}), "spec.steps[0].wait.for", "a duration such as"),
    "duration order": (step(wait={"for": "1s1m"}), "spec.steps[0].wait.for", "a duration such as"),
    "time": (step(wait={"at": "tomorrow"}), "spec.steps[0].wait.at", "an RFC 3339 time"),
    "for and at": (step(wait={"for": "1s", "at": "${x}"}), "spec.steps[0].wait", "for and at"),
    "neither for nor at": (step(wait={}), "spec.steps[0].wait", "for and at"),
    "wait is a text": (step(wait="1s"), "spec.steps[0].wait", "must be an object"),
    "method": (http(method="get"), "spec.steps[0].http.method", "must be GET"),
    "no target": (step(http={}), "spec.steps[0].http", "exactly one of service and url"),
    "two targets": (http(url="http://x"), "spec.steps[0].http", "exactly one of service and url"),
    "url and port": (
        step(http={"url": "http://x", "port": 80}),
        "spec.steps[0].http",
        "port, scheme and path belong to service",
    ),
    "service": (http(service="a.b"), "spec.steps[0].http.service", "the name of a Service"),
    "url": (step(http={"url": "ftp://x"}), "spec.steps[0].http.url", "http:// or https://"),
    "port 0": (http(port=0), "spec.steps[0].http.port", "at least 1"),
    "port 65536": (http(port=65536), "spec.steps[0].http.port", "at most 65535"),
    "path": (http(path="x"), "spec.steps[0].http.path", "starts with /"),
    "query": (http(query=[1]), "spec.steps[0].http.query", "must be an object"),
    "poll url and path": (
        http(poll={"url": "http://x", "path": "/", "every": "1s", "until": "true"}),
        "spec.steps[0].http.poll",
        "not both",
    ),
    "poll without every": (
        http(poll={"until": "true"}),
        "spec.steps[0].http.poll.every",
        "is required",
    ),
    "event without name": (step(event={}), "spec.steps[0].event.name", "is required"),
    "count 0": (step(event={"name": "e", "count": 0}), "spec.steps[0].event.count", "at least 1"),
    "count 1.5": (step(event={"name": "e", "count": 1.5}), "spec.steps[0].event.count", "integer"),
    "set nothing": (step(set={}), "spec.steps[0].set", "must not be empty"),
    "raise type": (step(**{"raise": {"type": "a b"}}), "spec.steps[0].raise.type", "an error type"),
    "attempts 0": (step(wait=WAIT, retry={"attempts": 0}), "spec.steps[0].retry", "attempts"),
    "attempts -2": (
        step(wait=WAIT, retry={"attempts": -2}),
        "spec.steps[0].retry.attempts",
        "at least -1",
    ),
    "factor": (step(wait=WAIT, retry={"factor": 0.5}), "spec.steps[0].retry.factor", "at least 1"),
    "onUnknown": (step(wait=WAIT, onUnknown="Fail"), "spec.steps[0]", "onUnknown belongs to http"),
    "no cases": (step(switch={"cases": []}), "spec.steps[0].switch.cases", "must not be empty"),
    "case without body": (case(), "spec.steps[0].switch.cases[0]", "exactly one of flow and do"),
    "case with both": (
        case(flow="f", do={"wait": WAIT}),
        "spec.steps[0].switch.cases[0]",
        "exactly one of flow and do",
    ),
    "with without flow": (
        case(do={"wait": WAIT}, **{"with": {"a": 1}}),
        "spec.steps[0].switch.cases[0]",
        "set flow too",
    ),
    "default without body": (
        step(switch={"cases": [{"when": "true", "flow": "f"}], "default": {}}),
        "spec.steps[0].switch.default",
        "exactly one of flow and do",
    ),
    "block in do": (
        do(wait=WAIT, call={"flow": "f"}),
        "spec.steps[0].switch.cases[0].do.call",
        "unknown",
    ),
    "no verb in do": (do(), "spec.steps[0].switch.cases[0].do", "exactly one of the verbs"),
    "do in the catch of do": (
        do(wait=WAIT, catch=[{"do": {"wait": WAIT}}]),
        "spec.steps[0].switch.cases[0].do.catch[0].do",
        "unknown field",
    ),
    "catch in catch": (
        step(wait=WAIT, catch=[{"do": {"wait": WAIT, "catch": []}}]),
        "spec.steps[0].catch[0].do.catch",
        "unknown field",
    ),
    "catch flow and do": (
        step(wait=WAIT, catch=[{"flow": "f", "do": {"wait": WAIT}}]),
        "spec.steps[0].catch[0]",
        "but not both",
    ),
    "attempts 0 in a flow": (
        definition(
            flows=[{"name": "f", "steps": [{"name": "a", "wait": WAIT, "retry": {"attempts": 0}}]}]
        ),
        "spec.flows[0].steps[0].retry",
        "attempts",
    ),
    "flow without steps": (
        definition(flows=[{"name": "f"}]),
        "spec.flows[0].steps",
        "is required",
    ),
    "long definition name": (definition("a" * 53), "metadata.name", "at most 52"),
    "no definition": (
        manifest("WorkflowInstance", "i", {}),
        "spec.definitionRef",
        "is required",
    ),
    "definition name": (
        instance(definitionRef={"name": "A"}),
        "spec.definitionRef.name",
        "the name of an object",
    ),
    "startAt": (instance(startAt="2030-01-01"), "spec.startAt", "RFC 3339"),
    "instance timeout": (instance(timeout="${x}"), "spec.timeout", "a duration such as"),
    "suspend": (instance(suspend="yes"), "spec.suspend", "true or false"),
    "input": (instance(input=[1]), "spec.input", "must be an object"),
    "event ids": (
        instance(events=[{"id": "a", "name": "b"}, {"id": "a", "name": "c"}]),
        "spec",
        "have the same id",
    ),
    "33 events": (
        instance(events=[{"id": f"e{i}", "name": "b"} for i in range(33)]),
        "spec",
        "at most 32 events",
    ),
    "long instance name": (instance("a" * 64), "metadata.name", "at most 63"),
    "event instance": (event(instance=""), "spec.instance", "must not be empty"),
    "event id": (event(id=""), "spec.id", "must not be empty"),
    "log kind": (log(kind="Other"), "spec.kind", "must be Opening, Empty, Turns, Claim"),
    "log lanes": (log(lanes=65), "spec.lanes", "at most 64"),
    "log lane": (log(lane=3), "spec", "below lanes"),
    "log seq": (log(seq=0), "spec", "seq is 0 in a slot that is Opening or Empty"),
    "log heir": (log(heir="b"), "spec", "heir belongs to an entry that is Released"),
    "log next lanes": (log(nextLanes=5), "spec", "nextLanes belongs to an entry that is Closed"),
    "log data": (log(data="x" * (256 * 1024 + 1)), "spec.data", "at most 262144 characters"),
    "log field": (log(epoch=1), "spec.epoch", "unknown field"),
    "history kind": (history(kind="Other"), "spec.kind", "must be Segment or Payload"),
}
