"""core.certificate: the end of a certificate's validity, from its bytes alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.certificate import not_after


def der(end: datetime) -> bytes:
    issued = trustme.CA().issue_cert("www.example.org", not_after=end)
    pem = issued.cert_chain_pems[0].bytes()
    return load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "end",
    [datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)],
    ids=["UTCTime", "GeneralizedTime"],
)
def test_the_end_is_read_in_both_forms_of_time(end: datetime) -> None:
    """RFC 5280 §4.1.2.5: years from 2050 on have four digits."""
    assert not_after(der(end)) == end


DER = der(datetime(2040, 1, 1, tzinfo=UTC))


@given(noise=st.binary(max_size=300), cut=st.integers(0, len(DER)))
def test_anything_else_is_a_value_error(noise: bytes, cut: int) -> None:
    with suppress(ValueError):
        assert not_after(DER[:cut] + noise).tzinfo is UTC
