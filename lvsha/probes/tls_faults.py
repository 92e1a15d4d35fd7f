"""The words for what TLS can fail with."""

from __future__ import annotations

import re
import ssl

from lvsha.errors import ProbeError

_VERDICTS = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate is signed by an unknown authority",
    20: "the certificate is signed by an unknown authority",
    21: "the certificate is signed by an unknown authority",
    24: "the certificate is signed by somebody who is no authority",
    26: "the certificate is not one for servers",
}
"""X509_V_ERR_… of OpenSSL."""

_WRONG_NAME = frozenset({62, 64})
_ALERT = re.compile("(?:sslv3|tlsv1|tlsv13) (?:alert )?")
_UNNAMED = re.compile(r"\[SSL\] (.+) \(_ssl\.c:\d+\)")
"""How Python shows a reason that is newer than itself."""


def fault(error: ssl.SSLError, name: str | None = None) -> ProbeError:
    """What went wrong with a target that should be `name`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return ProbeError(f'the certificate is not for "{name}"')
        return ProbeError(_VERDICTS.get(error.verify_code) or _lower(error.verify_message))
    unnamed = _UNNAMED.fullmatch(str(error))
    reason = _lower(error.reason or (unnamed[1] if unnamed else str(error)))
    if alert := _ALERT.match(reason):
        return ProbeError(f"the target refuses TLS with us: {reason[alert.end() :]}")
    return ProbeError(f"TLS failed: {reason}")


def _lower(reason: str) -> str:
    """OpenSSL's WORDS_LIKE_THIS as words like this."""
    return reason.replace("_", " ").lower()
