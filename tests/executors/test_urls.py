"""What is read as a URL, and what no reading is given to."""

from __future__ import annotations

import pytest

from perdure.executors.failures import CallFailedError
from perdure.executors.urls import parse_target, parse_url

READ = [
    ("http://example.com", "http://example.com/"),
    ("HTTP://EXAMPLE.COM/A", "http://example.com/A"),
    ("https://example.com:443/x", "https://example.com/x"),
    ("https://example.com:8443/x", "https://example.com:8443/x"),
    ("http://example.com.:80/x", "http://example.com/x"),
    ("http://example.com/x#fragment", "http://example.com/x"),
    ("http://example.com?x=1", "http://example.com/?x=1"),
    ("http://example.com/a%2Fb", "http://example.com/a%2Fb"),
    ("http://example.com/ä b", "http://example.com/%C3%A4%20b"),
    ("http://example.com/100%", "http://example.com/100%25"),
    ("http://[2001:DB8:0::1]:81/x", "http://[2001:db8::1]:81/x"),
    ("http://10.1.2.3/x", "http://10.1.2.3/x"),
    ("http://xn--bcher-kva.example/x", "http://xn--bcher-kva.example/x"),
]

# Each is refused before any name is looked up.
REFUSED = [
    "",
    "/",
    "//example.com/",
    "example.com",
    "http:example.com",
    "http:/example.com",
    "http://",
    "http:///x",
    "http://?x",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/x",
    "unix:///var/run/docker.sock",
    "javascript://example.com/",
    "data:text/plain,x",
    "ws://example.com/",
    " http://example.com/",
    "\thttp://example.com/",
    "http://user@example.com/",
    "http://user:pw@example.com/",
    "http://:@example.com/",
    "http://example.com@169.254.169.254/",
    "http://example.com%40169.254.169.254/",
    "http://example.com\\@169.254.169.254/",
    "http://example.com\\.evil.test/",
    "http://example.com\\/x",
    "http://example.com:80@169.254.169.254#x/",
    "http://exa mple.com/",
    "http://example.com /",
    "http://exam\tple.com/",
    "http://exam\nple.com/",
    "http://exam\rple.com/",
    "http://example.com\x00.evil.test/",
    "http://example.com\r\nHost: evil.test/",
    "http://example.com/\r\nHost: evil.test",
    "http://example.com/\x00",
    "http://example.com/a\\b",
    "http://example.com/\x85",
    "http://%31%32%37.0.0.1/",
    "http://%6c%6f%63%61%6c%68%6f%73%74/",
    "http://ｅxample.com/",
    "http://example。com/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.0.0.1/",
    "http://bücher.example/",
    "http://example.com\u200b/",
    "http://example.com:0/",
    "http://example.com:/",
    "http://example.com:65536/",
    "http://example.com:99999999999/",
    "http://example.com:-1/",
    "http://example.com:+80/",
    "http://example.com:8 0/",
    "http://example.com:0x50/",
    "http://example.com:٨٠/",
    "http://example.com:80:80/",
    "http://example.com:http/",
    "http://.example.com/",
    "http://example..com/",
    "http://./",
    "http://../",
    "http://-example.com/",
    "http://example-.com/",
    "http://exa*mple.com/",
    "http://*.example.com/",
    "http://example.com,evil.test/",
    "http://example.com;evil.test/",
    "http://example.com&evil.test/",
    "http://example.com$evil.test/",
    "http://(example.com)/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 127 + "com/",
    # IPv4 in other spellings
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7F.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://127.0.0.01/",
    "http://00127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1.1/",
    "http://127.0.0.0x1/",
    "http://127.0.0.256/",
    "http://0/",
    "http://0x/",
    "http://0x0/",
    "http://00/",
    "http://1/",
    "http://256/",
    "http://4294967295/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://127.0.0.1../",
    "http://example.123/",
    "http://example.0x7f/",
    # IPv6 in other spellings
    "http://::1/",
    "http://[::1/",
    "http://::1]/",
    "http://[]/",
    "http://[::1]x/",
    "http://[::1]80/",
    "http://[[::1]]/",
    "http://[::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fe80::1%251]/",
    "http://[127.0.0.1]/",
    "http://[::127.1]/",
    "http://[::ffff:0x7f.0.0.1]/",
    "http://[v1.fe80::a]/",
    "http://[example.com]/",
    "http://[::1]:0/",
    "http://[1:2:3:4:5:6:7:8:9]/",
    "http://x[::1]/",
    # paths that lead out of where they stand
    "http://example.com/..",
    "http://example.com/a/../b",
    "http://example.com/a/./b",
    "http://example.com/%2e%2e/b",
    "http://example.com/%2E./b",
    "http://example.com/a%2F..%2Fb",
    "http://example.com/a%5C..%5Cb",
    "http://example.com/..;x=1/b",
    "http://example.com/" + "a" * 8001,
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_url_is_read_in_one_form(text: str, expected: str) -> None:
    assert str(parse_url(text)) == expected


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(CallFailedError) as caught:
        parse_url(text)
    assert caught.value.failure.type == "NotAllowed"
    assert not caught.value.failure.retryable
    assert not caught.value.failure.unknown


def test_a_refusal_quotes_the_text_on_one_short_line() -> None:
    with pytest.raises(CallFailedError) as caught:
        parse_url("http://example.com/\r\n" + "x" * 500)
    assert "\n" not in caught.value.failure.message
    assert len(caught.value.failure.message) < 200


def test_the_corpus_is_large_enough() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 120


@pytest.mark.parametrize("path", ["", "a", "?x", "http://x/", "/a\nb", "/a\x7f", "\\a"])
def test_a_path_starts_with_a_slash_and_holds_no_control_character(path: str) -> None:
    with pytest.raises(CallFailedError):
        parse_target(path)


@pytest.mark.parametrize("path", ["/a..b", "/...", "/a?x=/../y", "//x", "/.well-known/x"])
def test_dots_that_are_no_segment_are_nothing_special(path: str) -> None:
    assert parse_target(path) == path
