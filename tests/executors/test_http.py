"""The executor against a real service on loopback: every row of the table of outcomes."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cluster.certificates import Authority
from tests.executors.ledger import (
    DEADLINE,
    Ledger,
    Script,
    ScriptedNames,
    SteppingClock,
    StoredServices,
    answers,
    answers_bytes,
    answers_json,
    call,
    executing,
    failure_of,
    mapped,
    result_of,
    serving,
    work_of,
)

from perdure.engine.orchestrator import Answer
from perdure.engine.values import JsonObject
from perdure.executors import http
from perdure.executors.answers import MAX_ANSWER_BYTES, answer_of
from perdure.executors.connections import CallLimits
from perdure.executors.policy import CallPolicy

REQUEST: JsonObject = {
    "method": "POST",
    "service": "inventory",
    "path": "/reservations?x=1",
    "body": {"order": 42},
    "timeoutSeconds": 5.0,
}
LABEL = "POST service/inventory/reservations"


async def answered(script: Script, **fields: object) -> tuple[Answer, Ledger]:
    """Make one call to a service with this script."""
    async with serving(script) as ledger, executing(mapped(ledger)) as executor:
        request: JsonObject = {**REQUEST, **fields}  # type: ignore[dict-item]
        return await call(executor, request), ledger


def is_failure(answer: Answer, kind: str, *, retryable: bool, unknown: bool) -> None:
    failure = failure_of(answer)
    assert (failure.type, failure.retryable, failure.unknown) == (kind, retryable, unknown)
    assert answer.result is None
    assert not answer.accepted


async def test_a_call_sends_what_was_resolved_and_returns_code_headers_and_body() -> None:
    answer, ledger = await answered(answers_json(b'{"id": 7}', 201, X_Trace="t"))
    assert answer.failure is None
    assert answer.scheduled_id == 7
    result = result_of(answer)
    assert (result["code"], result["body"]) == (201, {"id": 7})
    headers = result["headers"]
    assert isinstance(headers, dict)
    assert headers["x-trace"] == "t"
    [entry] = ledger.entries
    assert (entry.method, entry.target) == ("POST", "/reservations?x=1")
    assert entry.body == b'{"order":42}'
    assert entry.headers["host"] == f"127.0.0.1:{ledger.port}"
    assert entry.headers["content-type"] == "application/json"
    assert entry.headers["user-agent"].startswith("perdure/")
    assert entry.headers["perdure-attempt"] == "1"
    assert len(entry.headers["idempotency-key"]) == 64
    assert entry.headers["connection"] == "close"
    assert not {"cookie", "authorization"} & entry.headers.keys()


async def test_a_call_without_body_declares_no_type() -> None:
    async with serving(answers()) as ledger, executing(mapped(ledger)) as executor:
        await call(executor, {"method": "POST", "service": "inventory"})
    [entry] = ledger.entries
    assert entry.target == "/"
    assert "content-type" not in entry.headers


@pytest.mark.parametrize(
    ("code", "retryable"), [(400, False), (404, False), (408, True), (429, True), (503, True)]
)
async def test_a_bad_status_is_result_and_failure(code: int, retryable: bool) -> None:
    answer, _ = await answered(answers_json(b'{"why": 1}', code, Retry_After="7"))
    failure = failure_of(answer)
    assert failure.type == "HttpStatus"
    assert failure.message == f"{LABEL} answered {code}"
    assert (failure.code, failure.retryable, failure.unknown) == (code, retryable, False)
    assert failure.retry_after_seconds == 7.0
    assert result_of(answer)["body"] == {"why": 1}


async def test_a_retry_after_date_counts_from_the_clock() -> None:
    answer, _ = await answered(answers(503, Retry_After="Tue, 01 Jan 2030 12:01:00 GMT"))
    assert failure_of(answer).retry_after_seconds == 60.0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_result_and_not_followed(code: int) -> None:
    answer, ledger = await answered(answers(code, Location="/elsewhere"))
    assert answer.failure is None
    assert result_of(answer)["code"] == code
    assert len(ledger.entries) == 1


async def test_a_cookie_is_not_kept_for_the_next_call() -> None:
    async with serving(answers(Set_Cookie="a=b")) as ledger, executing(mapped(ledger)) as executor:
        await call(executor, REQUEST)
        await call(executor, REQUEST)
    assert len(ledger.entries) == 2
    assert all("cookie" not in entry.headers for entry in ledger.entries)


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answers()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        answer, ledger = await answered(answers())
    assert answer.failure is None
    assert len(ledger.entries) == 1
    assert proxy.entries == []


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_a_refused_connection_is_no_answer_and_was_not_sent() -> None:
    policy = CallPolicy.parse(service_map=[f"inventory=http://127.0.0.1:{closed_port()}"])
    async with executing(policy) as executor:
        answer = await call(executor, REQUEST)
    is_failure(answer, "NoAnswer", retryable=True, unknown=False)
    assert failure_of(answer).message.startswith(f"{LABEL}: cannot connect to http://127.0.0.1:")


async def test_a_descriptor_that_the_loop_counts_as_taken_is_no_answer_and_was_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError("File descriptor 19 is used by transport <TCPTransport closed=False>")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    policy = CallPolicy.parse(service_map=["inventory=http://127.0.0.1:1"])
    async with executing(policy) as executor:
        answer = await call(executor, REQUEST)
    is_failure(answer, "NoAnswer", retryable=True, unknown=False)


async def test_a_server_without_tls_is_no_answer_and_was_not_sent() -> None:
    async with serving(answers()) as ledger:
        policy = CallPolicy.parse(service_map=[f"inventory=https://127.0.0.1:{ledger.port}"])
        async with executing(policy) as executor:
            answer = await call(executor, REQUEST)
    is_failure(answer, "NoAnswer", retryable=True, unknown=False)
    assert ledger.entries == []


async def test_an_unknown_name_is_no_answer_and_was_not_sent() -> None:
    policy, names = CallPolicy.parse(["example.com"]), ScriptedNames()
    async with executing(policy, names=names) as executor:
        answer = await call(executor, {"method": "GET", "url": "http://example.com/"})
    assert names.is_closed
    is_failure(answer, "NoAnswer", retryable=True, unknown=False)


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET", "url": "http://169.254.169.254/latest/meta-data/"},
        {"method": "GET", "url": "http://evil.test/"},
        {"method": "GET", "url": "http://user@example.com/"},
        {"method": "GET", "service": "../nodes"},
        {"method": "GET", "service": "inventory", "headers": {"x": "a\r\nb"}},
    ],
)
async def test_what_is_not_allowed_is_not_sent(request_: JsonObject) -> None:
    async with serving(answers()) as ledger, executing(mapped(ledger)) as executor:
        answer = await call(executor, request_)
    is_failure(answer, "NotAllowed", retryable=False, unknown=False)
    assert ledger.entries == []


async def test_the_service_of_a_cluster_is_read_before_the_call() -> None:
    services = {("shop", "inventory"): {"spec": {"clusterIP": "127.0.0.1", "ports": [{"port": 1}]}}}
    objects = StoredServices(services)  # type: ignore[arg-type]
    async with executing(CallPolicy(), objects=objects) as executor:
        answer = await call(executor, REQUEST)
    is_failure(answer, "NotAllowed", retryable=False, unknown=False)
    assert objects.reads == [("shop", "inventory")]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
    ids=[
        "at once",
        "in headers",
        "in body",
        "in chunks",
        "bad chunk",
        "more than declared",
        "not http",
        "long header",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_cut_after_sending_is_unknown_and_sent_once(method: str, raw: bytes) -> None:
    answer, ledger = await answered(answers_bytes(raw), method=method)
    is_failure(answer, "NoAnswer", retryable=True, unknown=True)
    assert len(ledger.entries) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["nothing", "headers", "body", "chunks", "no length", "continue"],
)
async def test_the_attempts_time_covers_the_answer_to_its_last_byte(raw: bytes) -> None:
    answer, _ = await answered(answers_bytes(raw, then_closes=False), timeoutSeconds=0.2)
    is_failure(answer, "Timeout", retryable=True, unknown=True)
    assert failure_of(answer).message == f"{LABEL}: no complete answer within 0.2 s"


async def test_time_used_up_before_sending_leaves_nothing_unknown() -> None:
    class Silent:
        async def addresses(self, host: str) -> list[str]:
            await asyncio.Event().wait()
            return []

        def close(self) -> None:
            """Nothing to release."""

    async with executing(CallPolicy.parse(["example.com"]), names=Silent()) as executor:
        request: JsonObject = {"url": "http://example.com/", "timeoutSeconds": 0.05}
        answer = await call(executor, request)
    is_failure(answer, "Timeout", retryable=True, unknown=False)


async def test_a_process_that_became_mute_on_the_way_sends_when_it_is_heard_again() -> None:
    clock, looks = SteppingClock(), [True, False, False]
    async with (
        serving(answers(200)) as ledger,
        executing(
            mapped(ledger), clock=clock, may_send=lambda: looks.pop(0) if looks else True
        ) as executor,
    ):
        answer = await call(executor, REQUEST)
    assert answer.failure is None
    assert clock.sleeps == [http.MUTE_LOOK_SECONDS]
    assert len(ledger.entries) == 1


def sized(size: int) -> Script:
    return answers(body=b"x" * size, content_type="text/plain")


def chunked(size: int) -> Script:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    return answers_bytes(head + chunk * (size // 0x8000), then_closes=False)


TOO_LARGE = {
    "declared": sized(MAX_ANSWER_BYTES + 1),
    "chunked without end": chunked(2 * MAX_ANSWER_BYTES),
    "no length": answers_bytes(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * MAX_ANSWER_BYTES)),
    "bomb": answers(body=gzip.compress(bytes(100 * MAX_ANSWER_BYTES)), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_an_answer_over_a_mebibyte_is_too_large(kind: str) -> None:
    answer, _ = await answered(TOO_LARGE[kind])
    is_failure(answer, "TooLarge", retryable=False, unknown=False)


async def test_a_small_answer_compressed_without_asking_is_read() -> None:
    script = answers_json(gzip.compress(b'{"id": 7}'), Content_Encoding="gzip")
    answer, ledger = await answered(script)
    assert result_of(answer)["body"] == {"id": 7}
    assert ledger.entries[0].headers["accept-encoding"] == "identity"


async def test_an_answer_of_exactly_a_mebibyte_is_taken() -> None:
    answer, _ = await answered(sized(MAX_ANSWER_BYTES))
    body = result_of(answer)["body"]
    assert isinstance(body, str)
    assert len(body) == MAX_ANSWER_BYTES


async def test_the_length_that_head_declares_is_no_body() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"
    answer, _ = await answered(answers_bytes(raw), method="HEAD")
    assert result_of(answer)["body"] is None


async def test_reading_a_long_answer_does_not_stop_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers: list[int] = []

    def noting(*args: object) -> Answer:
        readers.append(threading.get_ident())
        return answer_of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(http, "answer_of", noting)
    await answered(answers_json(b"[" + b"1," * 100_000 + b"1]"))
    await answered(answers_json(b"[1]"))
    assert readers[0] != threading.get_ident()
    assert readers[1] == threading.get_ident()


@pytest.mark.parametrize("body", [b"{", b"[NaN]", b"9223372036854775808", b'"\xff"'])
async def test_declared_json_that_is_none_is_an_invalid_answer(body: bytes) -> None:
    answer, _ = await answered(answers_json(body))
    is_failure(answer, "InvalidAnswer", retryable=False, unknown=False)


async def test_a_cancelled_call_closes_its_connection_at_once() -> None:
    gone = asyncio.Event()

    async def silent(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    async with serving(silent) as ledger, executing(mapped(ledger)) as executor:  # type: ignore[arg-type]
        open_call = asyncio.ensure_future(executor.execute(work_of(REQUEST)))
        async with asyncio.timeout(DEADLINE):
            await ledger.arrived.wait()
            open_call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await open_call
            await gone.wait()


async def test_at_most_so_many_calls_are_on_their_way_at_once() -> None:
    now, most = 0, 0
    all_in = asyncio.Event()

    async def counting(request: object) -> object:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if most == 2:
            all_in.set()
        await all_in.wait()
        await asyncio.sleep(0)
        now -= 1
        return await answers()(request)  # type: ignore[arg-type]

    limits = CallLimits(total=2, per_host=2)
    async with serving(counting) as ledger, executing(mapped(ledger), limits=limits) as executor:  # type: ignore[arg-type]
        found = await asyncio.gather(*(call(executor, REQUEST) for _ in range(12)))
    assert all(answer.failure is None for answer in found)
    assert most == 2


async def test_a_url_is_called_at_the_checked_address_under_its_own_name() -> None:
    async with serving(answers()) as ledger:
        policy = CallPolicy.parse(["api.example.com", "127.0.0.1"])
        names = ScriptedNames([["127.0.0.1"], ["169.254.169.254"]])
        async with executing(policy, names=names) as executor:
            url = f"http://api.example.com:{ledger.port}/x"
            first = await call(executor, {"method": "GET", "url": url})
            second = await call(executor, {"method": "GET", "url": url})
    assert result_of(first)["code"] == 200
    assert ledger.entries[0].headers["host"] == f"api.example.com:{ledger.port}"
    is_failure(second, "NotAllowed", retryable=False, unknown=False)
    assert len(ledger.entries) == 1


async def test_tls_checks_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    authority.issue_server("right", ["api.example.com"])
    authority.issue_server("wrong", ["127.0.0.1", "evil.test"])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    policy = CallPolicy.parse(["api.example.com", "127.0.0.1"])
    for certificate, is_trusted in (("right", True), ("wrong", False)):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / f"{certificate}.crt", tmp_path / f"{certificate}.key")
        names = ScriptedNames([["127.0.0.1"]])
        async with (
            serving(answers(), tls=context) as ledger,
            executing(policy, names=names) as executor,
        ):
            url = f"https://api.example.com:{ledger.port}/"
            answer = await call(executor, {"method": "PUT", "url": url})
        if is_trusted:
            assert result_of(answer)["code"] == 200
        else:
            is_failure(answer, "NoAnswer", retryable=True, unknown=False)
            assert "api.example.com" in failure_of(answer).message
            assert ledger.entries == []


@contextmanager
def unanswering() -> Iterator[int]:
    """Listen on 127.0.0.2 and let no connection come about; yield the port."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for _ in range(4):  # more than the queue holds
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


async def test_an_address_that_does_not_answer_gives_up_soon_and_sends_nothing() -> None:
    with unanswering() as port:
        policy = CallPolicy.parse(["127.0.0.2"])
        limits = CallLimits(connect_seconds=0.2)
        async with executing(policy, limits=limits) as executor:
            request: JsonObject = {"method": "GET", "url": f"http://127.0.0.2:{port}/x"}
            answer = await call(executor, request)
    is_failure(answer, "NoAnswer", retryable=True, unknown=False)
    assert "no connection in time" in failure_of(answer).message


async def test_an_address_that_is_down_gives_way_to_the_next() -> None:
    async with serving(answers()) as ledger:
        policy = CallPolicy.parse(["api.example.com", "127.0.0.0/8"])
        names = ScriptedNames([["127.0.0.2", "127.0.0.1"]])
        async with executing(policy, names=names, clock=SteppingClock()) as executor:
            url = f"http://api.example.com:{ledger.port}/x"
            answer = await call(executor, {"method": "GET", "url": url})
    assert result_of(answer)["code"] == 200
