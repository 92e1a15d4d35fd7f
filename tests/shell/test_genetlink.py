"""Generic netlink: with this machine's kernel, and with a scripted one that misbehaves."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.errors import KernelError
from lvsha.kernel import genetlink, netlink
from lvsha.kernel.genetlink import Conversation
from lvsha.kernel.netlink import ACK_TLVS, CAPPED, DONE, ERROR, GENERIC, HEADER, attribute

CONTROL = 0x10  # the family that knows the families
GET_FAMILY, NO_SUCH = GENERIC.pack(3, 1, 0), GENERIC.pack(99, 1, 0)


@pytest.fixture
def conversation() -> Iterator[Conversation]:
    opened = Conversation()
    yield opened
    opened.close()


def test_a_family_has_a_number(conversation: Conversation) -> None:
    assert conversation.family("nlctrl") == CONTROL


def test_a_family_the_kernel_does_not_have_is_enoent(conversation: Conversation) -> None:
    with pytest.raises(KernelError, match=r"^family lvsha-none: No such file") as caught:
        conversation.family("lvsha-none")
    assert caught.value.errno == errno.ENOENT


def test_a_dump_tells_every_entry(conversation: Conversation) -> None:
    told = [netlink.attributes(entry) for entry in conversation.dump(CONTROL, GET_FAMILY, "all")]
    assert b"nlctrl\0" in [fields[2] for fields in told]
    assert len(told) > 1


def test_a_dump_that_is_refused_says_why(conversation: Conversation) -> None:
    with pytest.raises(KernelError, match=r"^all of it: Operation not supported") as caught:
        conversation.dump(CONTROL, NO_SUCH, "all of it")
    assert caught.value.errno == errno.EOPNOTSUPP


def test_ten_thousand_refusals_come_back_one_by_one_and_nothing_is_lost(
    conversation: Conversation,
) -> None:
    refused = conversation.batch(CONTROL, [NO_SUCH] * 10_000)
    assert [index for index, _, _ in refused] == list(range(10_000))
    assert {code for _, code, _ in refused} == {errno.EOPNOTSUPP}


def test_a_small_receive_buffer_makes_smaller_sends_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it may not be widened by force, as in a user namespace."""
    monkeypatch.setattr(genetlink, "_RECEIVE_BUFFER", 16 * 1024)
    conversation = Conversation()
    assert len(conversation.batch(CONTROL, [NO_SUCH] * 2_000)) == 2_000
    conversation.close()


def test_only_what_was_refused_comes_back(conversation: Conversation) -> None:
    asked = [NO_SUCH, GET_FAMILY, NO_SUCH]
    refused = conversation.batch(CONTROL, asked)
    assert [(index, code) for index, code, _ in refused] == [
        (0, errno.EOPNOTSUPP),
        (1, errno.EINVAL),
        (2, errno.EOPNOTSUPP),
    ]
    assert conversation.batch(CONTROL, []) == []


def test_a_machine_that_gives_no_socket_is_a_kernel_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(genetlink.socket, "socket", refuse)
    with pytest.raises(KernelError, match=r"^netlink socket: Operation not permitted"):
        Conversation()


@dataclass
class Scripted:
    """A kernel that says what the test has it say."""

    conversation: Conversation
    kernel: socket.socket

    def say(self, *messages: bytes) -> None:
        self.kernel.send(b"".join(messages))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, 20_000))
    spare = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    ends = iter([ours, *spare])
    monkeypatch.setattr(genetlink, "_connect", lambda: next(ends))
    scripted = Scripted(Conversation(), kernels)
    yield scripted
    scripted.conversation.close()
    for end in (ours, kernels, *spare):
        end.close()


def answer(
    sequence: int, body: bytes = b"", kind: int = 0x1E, flags: int = 0, length: int | None = None
) -> bytes:
    total = HEADER.size + len(body) if length is None else length
    return HEADER.pack(total, kind, flags, sequence, 0) + body


def refusal(sequence: int, code: int, tail: bytes = b"", flags: int = CAPPED) -> bytes:
    request = HEADER.pack(HEADER.size, 0x1E, 1, sequence, 0)
    return answer(sequence, struct.pack("=i", -code) + request + tail, ERROR, flags)


def done(sequence: int, flags: int = 0) -> bytes:
    return answer(sequence, struct.pack("=i", 0), DONE, flags)


ENTRY = GENERIC.pack(1, 1, 0) + attribute(1, b"entry")


def test_no_answer_is_an_error_in_bounded_time_and_the_next_talk_starts_afresh(
    scripted: Scripted,
) -> None:
    first = scripted.conversation._socket
    with pytest.raises(KernelError, match=r"^netlink: no answer within 10 s") as caught:
        scripted.conversation.ask(0x1E, NO_SUCH, "it")
    assert caught.value.errno == errno.ETIMEDOUT
    assert scripted.conversation._socket is not first


def test_lost_answers_are_an_error(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    def overrun(*_: object) -> int:
        raise OSError(errno.ENOBUFS, "No buffer space available")

    monkeypatch.setattr(scripted.conversation, "_receive", overrun)
    with pytest.raises(KernelError, match=r"^netlink: No buffer space available") as caught:
        scripted.conversation.dump(0x1E, NO_SUCH, "it")
    assert caught.value.errno == errno.ENOBUFS


def test_an_answer_longer_than_a_read_is_an_error(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(genetlink, "READ_SIZE", 64)
    scripted.conversation._buffer = memoryview(bytearray(64))
    scripted.say(bytes(65))
    with pytest.raises(KernelError, match=r"^netlink: answer of 65 bytes") as caught:
        scripted.conversation.ask(0x1E, NO_SUCH, "it")
    assert caught.value.errno == errno.EMSGSIZE


def test_answers_of_an_earlier_talk_are_dropped(scripted: Scripted) -> None:
    stale = answer(0xFFFF, GENERIC.pack(1, 1, 0) + b"stale!!!")
    scripted.say(stale, answer(1, ENTRY))
    assert scripted.conversation.ask(0x1E, NO_SUCH, "it") == attribute(1, b"entry")
    scripted.say(stale, refusal(0xFFFF, 1), answer(2, ENTRY), done(0xFFFF), done(2))
    assert scripted.conversation.dump(0x1E, NO_SUCH, "it") == [attribute(1, b"entry")]
    scripted.say(stale, refusal(3, errno.EEXIST), refusal(0xFFFF, 1), refusal(4, 0))
    assert scripted.conversation.batch(0x1E, [NO_SUCH]) == [(0, errno.EEXIST, "")]


def test_an_interrupted_dump_is_read_again(scripted: Scripted) -> None:
    scripted.say(answer(1, ENTRY), done(1, flags=netlink.DUMP_INTERRUPTED))
    scripted.say(answer(2, ENTRY), answer(2, ENTRY), done(2))
    assert len(scripted.conversation.dump(0x1E, NO_SUCH, "it")) == 2


def test_a_dump_that_is_always_interrupted_is_given_up(scripted: Scripted) -> None:
    for sequence in range(1, 10):
        scripted.say(answer(sequence, ENTRY, flags=netlink.DUMP_INTERRUPTED), done(sequence))
    with pytest.raises(KernelError, match=r"^it: it kept changing while it was read") as caught:
        scripted.conversation.dump(0x1E, NO_SUCH, "it")
    assert caught.value.errno == errno.EINTR


def test_a_dump_that_ends_with_an_error_says_it(scripted: Scripted) -> None:
    scripted.say(answer(1, ENTRY), answer(1, struct.pack("=i", -errno.ENOMEM), DONE))
    with pytest.raises(KernelError, match=r"^it: Cannot allocate memory"):
        scripted.conversation.dump(0x1E, NO_SUCH, "it")


WORDS = attribute(1, b"address not unicast\0")
OFFSET = attribute(2, struct.pack("=I", 20))


@pytest.mark.parametrize(
    ("tail", "flags", "expected"),
    [
        (WORDS, CAPPED | ACK_TLVS, "address not unicast"),
        (OFFSET + WORDS, CAPPED | ACK_TLVS, "address not unicast"),
        (OFFSET, CAPPED | ACK_TLVS, ""),
        (WORDS, CAPPED, ""),
        (WORDS, ACK_TLVS, "address not unicast"),
        (b"", 0, ""),
    ],
    ids=["text", "text behind", "no text", "not announced", "not capped", "nothing"],
)
def test_the_kernels_own_words_are_found(
    scripted: Scripted, tail: bytes, flags: int, expected: str
) -> None:
    scripted.say(refusal(1, errno.EINVAL, tail, flags), refusal(2, 0))
    assert scripted.conversation.batch(0x1E, [NO_SUCH]) == [(0, errno.EINVAL, expected)]
    scripted.say(refusal(3, errno.EINVAL, tail, flags))
    words = expected or "Invalid argument"
    with pytest.raises(KernelError, match=f"^it: {words}$"):
        scripted.conversation.ask(0x1E, NO_SUCH, "it")


def test_a_refusal_that_repeats_a_long_request_still_has_its_words(scripted: Scripted) -> None:
    request = HEADER.pack(HEADER.size + 6, 0x1E, 1, 1, 0) + b"asked\0" + b"\0\0"
    body = struct.pack("=i", -errno.EINVAL) + request + WORDS
    scripted.say(answer(1, body, ERROR, ACK_TLVS), refusal(2, 0))
    refused = scripted.conversation.batch(0x1E, [NO_SUCH])
    assert refused == [(0, errno.EINVAL, "address not unicast")]


ASKING: list[Callable[[Conversation], object]] = [
    lambda conversation: conversation.ask(0x1E, NO_SUCH, "it"),
    lambda conversation: conversation.dump(0x1E, NO_SUCH, "it"),
    lambda conversation: conversation.batch(0x1E, [NO_SUCH]),
    lambda conversation: conversation.family("it"),
]


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize(
    ("garbage", "words"),
    [
        (b"\0" * 7, "message header of 7 bytes"),
        (answer(1, length=15), "message of 15 bytes in 16"),
        (answer(1, length=17), "message of 17 bytes in 16"),
        (answer(1, b"\0" * 8, ERROR), "error of 8 bytes"),
    ],
)
def test_a_malformed_answer_is_an_error_that_says_how(
    scripted: Scripted,
    ask: Callable[[Conversation], object],
    garbage: bytes,
    words: str,
) -> None:
    scripted.say(garbage)
    with pytest.raises(KernelError, match=f"^netlink: malformed answer: {words}") as caught:
        ask(scripted.conversation)
    assert caught.value.errno == errno.EBADMSG


def test_a_family_without_a_number_is_malformed(scripted: Scripted) -> None:
    scripted.say(answer(1, ENTRY))
    with pytest.raises(KernelError, match="family it without a number"):
        scripted.conversation.family("it")


HEADERS = st.builds(
    lambda body, kind, flags, sequence: answer(sequence, body, kind, flags),
    st.binary(max_size=40),
    st.sampled_from([0x1E, ERROR, DONE]),
    st.integers(0, 0xFFFF),
    st.integers(0, 3),
)


@given(st.lists(HEADERS | st.binary(max_size=40), max_size=4).map(b"".join))
def test_any_bytes_are_messages_with_an_outcome_or_a_kernel_error(told: bytes) -> None:
    code = 0
    try:
        for message in netlink.messages(told):
            if message.type in (ERROR, DONE):
                netlink.outcome(message)
    except KernelError as error:
        code = error.errno
    assert code in (0, errno.EBADMSG)


@given(st.integers(0, 0x3FFF), st.binary(max_size=50))
def test_an_attribute_reads_back_and_ends_on_four_bytes(kind: int, payload: bytes) -> None:
    packed = attribute(kind, payload)
    assert len(packed) % 4 == 0
    assert netlink.attributes(packed) == {kind: payload}
