"""Digests by the examples of their standard, and headers that are none."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairdial.adapters.digest import Credentials, Digests, Verdict, parse, response

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "make", "expected"),
    [
        ("MD5", hashlib.md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            hashlib.sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ],
)
def test_the_example_of_the_standard(algorithm: str, make: object, expected: str) -> None:
    """RFC 7616 section 3.9.1."""
    given_ = Credentials(
        username="Mufasa",
        realm="http-auth@example.org",
        nonce=NONCE,
        uri="/dir/index.html",
        response="",
        algorithm=algorithm,
        cnonce=CNONCE,
        nc="00000001",
        qop="auth",
    )
    assert response(make, given_, method="GET", password="Circle of Life") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic YWxpY2U6c2VjcmV0",
        "Digest",
        'Digest username="alice"',
        'Digest username="a", username="b", realm="r", nonce="n", uri="u", response="x", '
        'cnonce="c", nc=00000001, qop=auth',
        'Digest username="alice, realm="r", nonce="n"',
        "Digest " + "x" * 3_000,
    ],
)
def test_what_is_no_digest_is_none(text: str) -> None:
    assert parse(text) is None


@given(st.text())
def test_whatever_comes_is_read_or_is_none(text: str) -> None:
    found = parse(f"Digest {text}")
    assert found is None or Digests("r").verify(found, method="REGISTER", password="p") in Verdict


def test_a_header_is_read_with_commas_and_spaces_in_it() -> None:
    found = parse(
        'Digest username="al, ice",realm="r" , nonce="n",uri="sip:h",response="00",'
        'cnonce="c",nc=0000000a,qop=auth, opaque="z"'
    )
    assert found is not None
    assert (found.username, found.nc, found.algorithm) == ("al, ice", "0000000a", "MD5")
