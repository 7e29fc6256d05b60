"""Errors in the gateway's own sections: the line, the name, and what is said."""

import pytest

from tests.unit.config.conftest import GOOD, Write, cases, complaint, complaints

TOP_LEVEL = cases(
    ("unknown", "lisen: 3", "10: lisen: unknown name; did you mean 'listen'?"),
    ("pydantic_argument", "_env_file: /etc/passwd", "10: _env_file: unknown name; known here: listen,"),
    ("listen_number", "listen: 8080", "10: listen: must be text; write 127.0.0.1:8080"),
    ("listen_no_host", "listen: '8080'", "10: listen: not host:port; write 127.0.0.1:8080"),
    ("listen_port", "listen: '[::1]:99999'", "10: listen: not host:port"),
    ("d2_listen_dots", "listen: a..b:8080", "10: listen: not host:port"),
    ("d2_listen_label", f"listen: {'a' * 64}.example:8080", "10: listen: not host:port"),
    ("d2_listen_hyphen", "listen: -a.example:8080", "10: listen: not host:port"),
    ("d2_listen_three_numbers", "listen: 127.0.1:8080", "10: listen: not host:port"),
    ("d2_listen_large_number", "listen: 127.0.0.256:8080", "10: listen: not host:port"),
    ("d2_listen_v6", "listen: '[1:2:3]:8080'", "10: listen: not host:port"),
    ("d2_server", "upstream: {nameservers: [999.1.1.1]}", "10: upstream.nameservers.0: not the address"),
    ("d2_server_0", "upstream: {nameservers: ['10.0.0.2:0']}", "10: upstream.nameservers.0: not the address"),
    ("d2_server_port", "upstream: {nameservers: ['[::1]:65536']}", "10: upstream.nameservers.0: not the a"),
    ("d2_server_v6", "upstream: {nameservers: ['1:2:3:4:5:6:7:8:9']}", "10: upstream.nameservers.0: not t"),
    ("d2_same", "listen: 0.0.0.0:9090", "10: listen: `listen` and `admin.listen` are the same address"),
    ("d2_same_name", "listen: localhost:9090", "10: listen: `listen` and `admin.listen` are the same"),
    ("d2_same_zero", "listen: 127.0.0.1:09090", "10: listen: `listen` and `admin.listen` are the same"),
    ("same_port", "listen: 127.0.0.1:9090", "10: listen: `listen` and `admin.listen` are the same"),
    ("same_admin_port", "admin:\n  listen: 127.0.0.1:8080", "11: admin.listen: `listen` and"),
    ("empty_section", "admin: null", "10: admin: is empty; write `name: value` beneath it, or"),
    ("section_is_text", "log: info", "10: log: must be a mapping; write `name: value` beneath it"),
    ("word", "log:\n  level: loud", "11: log.level: must be one of 'debug', 'info', 'warning' or 'error'"),
    ("boolean", "reuse_port: 3", "10: reuse_port: must be true or false"),
    ("boolean_number", "drain_seconds: true", "10: drain_seconds: must be a number"),
    ("number", "drain_seconds: soon", "10: drain_seconds: must be a number; write it in digits"),
    ("nan", "drain_seconds: .nan", "10: drain_seconds: must be a number; write it in digits"),
    ("negative", "drain_seconds: -1", "10: drain_seconds: must be at least 0"),
    ("fraction", "callers: {headers_max: 1.5}", "10: callers.headers_max: must be a whole number"),
    ("small", "callers: {headers_max: 2}", "10: callers.headers_max: must be at least 8"),
    ("zero", "callers: {body_seconds: 0}", "10: callers.body_seconds: must be more than 0"),
    ("huge", "callers: {body_bytes: 1e99}", "10: callers.body_bytes: must be a whole number"),
    ("query", "public_url: https://x.org?a=1", "10: public_url: not a URL that can be used here"),
    ("scheme", "public_url: ftp://x.org", "10: public_url: not a URL that can be used"),
    ("port_zero", "upstream: {connect_to: 'http://h:0'}", "10: upstream.connect_to: not a URL"),
    ("url_path", "upstream: {connect_to: 'http://h:1/x'}", "10: upstream.connect_to: not a URL"),
    ("url_password", "upstream: {connect_to: 'http://a:b@h:1'}", "10: upstream.connect_to: a user name or p"),
    ("proxy_password", "upstream: {proxy: 'http://a:b@h:1'}", "10: upstream.proxy: a user name or password"),
    ("proxy_scheme", "upstream: {proxy: 'https://h:1'}", "10: upstream.proxy: not a URL"),
    ("proxy_unset", "upstream: {proxy: {env: NONE}}", "10: upstream.proxy: the environment variable NONE is"),
    ("ca", "upstream: {ca_file: none.pem}", "10: upstream.ca_file: the file none.pem cannot be read (No suc"),
    ("host", "upstream: {extra_hosts: [Ex.org]}", "10: upstream.extra_hosts.0: not a host name"),
    ("not_a_list", "upstream: {extra_hosts: ex.org}", "10: upstream.extra_hosts: must be a list"),
    ("store", "store: redis", "10: store: not a URL that can be used here; write memory, or a URL like"),
    ("store_password", "store: 'redis://:pw@h'", "10: store: a user name or password must not stand"),
    ("d2_store_name", "store: 'redis://h/sessions'", "10: store: not a URL that can be used here; write"),
    ("d2_backslash", "upstream: {proxy: 'http://a\\b'}", "10: upstream.proxy: not a URL that can be used"),
    ("d2_brackets", "upstream: {proxy: 'http://[v1.a]'}", "10: upstream.proxy: not a URL that can be used"),
    ("d2_idna", "upstream: {proxy: 'http://xn--a_b-'}", "10: upstream.proxy: not a URL that can be used"),
    ("d2_store_path", "store: 'redis://h/0/1'", "10: store: not a URL that can be used here; write"),
    ("store_query", "store: 'redis://h/0?password=pw'", "10: store: a user name or password"),
    ("switch", "reuse_port: maybe", "10: reuse_port: must be true or false"),
    ("removed", "retry: {post_on_503: false}", "10: retry.post_on_503: is gone: Twilio may have acted on a"),
    ("renamed_governor", "governor: {queue: 5}", "10: governor: is now called `concurrency`; write"),
    ("renamed_attempts", "retry: {attempts: 2}", "10: retry.attempts: is now called `max_attempts`; write"),
    ("renamed_first", "retry: {first_backoff_seconds: 2}", "10: retry.first_backoff_seconds: is now called"),
    ("renamed_longest", "retry: {longest_backoff_seconds: 2}", "10: retry.longest_backoff_seconds: is now"),
    ("twice", "listen: a:1\nlisten: b:1", "11: listen: given twice; keep one of the two"),
    ("name_not_text", "no: 1", "10: no: a name that is not text; put the name in quotes"),
    ("name_is_a_list", "? [a]\n: 1", "10: ?: a name that is not text"),
    ("tag", "listen: !secret x", "10: listen: has a YAML tag; remove the word that begins with '!'"),
    ("impossible_date", "listen: 2027-13-45", "10: listen: neither a number nor a date; correct it"),
    ("terminal_escape", '"l\\e[31m": 1', "10: l?[31m: a name that is not text"),
)  # fmt: skip


def test_a_good_file_has_no_problems(write: Write) -> None:
    assert complaints(write(GOOD)) == []


def test_a_setting_that_is_gone_names_its_successor(write: Write) -> None:
    said = complaint(write(f"{GOOD}retry: {{post_on_503: true}}\n"))
    assert said.endswith("`repeat_guard.resend_absent: true` sends again what it does not have")


@pytest.mark.parametrize(("text", "expected"), TOP_LEVEL)
def test_top_level(write: Write, text: str, expected: str) -> None:
    assert complaint(write(f"{GOOD}{text}\n")).startswith(f"gateway.yaml:{expected}")
