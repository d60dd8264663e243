import pickle

import pytest

from protocol.errors import (
    BadMessage,
    BadPath,
    Code,
    ProtocolError,
    TooLarge,
    UnexpectedMessage,
)

SENTENCES = [
    (ProtocolError(Code.NORMAL), "normal; nothing needs to be done"),
    (
        ProtocolError(Code.WRONG_HUB, "hub ab answers, not cd"),
        "hub ab answers, not cd; check the address; "
        "to follow the new hub, reset the client's state",
    ),
    (
        BadMessage("Ack.seq", "is missing"),
        "Ack.seq: is missing; update the side that sent it, or report the bug",
    ),
    (
        BadPath("a\nb/..", "contains '.' or '..'"),
        "path 'a\\nb/..' contains '.' or '..'; rename the path on the side that has it",
    ),
    (
        TooLarge("frame", 70_000, 65_536),
        "frame of 70000 is over the limit of 65536; "
        "split the message, or update the side that sent it",
    ),
    (
        UnexpectedMessage("greeting", "Get"),
        "Get is not expected while greeting; update the side that sent it, or report the bug",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=lambda x: type(x).__name__)
def test_sentence(error, sentence):
    assert str(error) == sentence


def test_facts_are_in_fields():
    assert BadMessage("Ack", "x").where == "Ack"
    assert BadMessage("Ack", "x").why == "x"
    assert BadPath("p", "y").path == "p"
    assert BadPath("p", "y").why == "y"
    large = TooLarge("frame", 2, 1)
    assert (large.what, large.size, large.limit) == ("frame", 2, 1)
    unexpected = UnexpectedMessage("s", "m")
    assert (unexpected.state, unexpected.message) == ("s", "m")
    busy = ProtocolError(Code.BUSY, "full", retry_after_ms=5)
    assert (busy.detail, busy.retry_after_ms) == ("full", 5)


def test_codes_are_total_both_ways():
    assert [Code(int(code)) for code in Code] == list(Code)
    assert sorted(Code) == list(range(len(Code)))
    assert pickle.loads(pickle.dumps(Code.GONE)) is Code.GONE


@pytest.mark.parametrize("code", Code)
def test_every_code_knows_what_to_do_next(code):
    assert code.advice
    assert ProtocolError(code).retry is code.retry


def test_only_what_passes_by_itself_may_be_retried():
    retry = {code.name for code in Code if code.retry}
    assert retry == {"BUSY", "DRAINING", "SLOW_CLIENT", "HALTED", "INTERNAL"}


def test_a_hostile_path_makes_a_short_printable_sentence():
    sentence = str(BadPath("\x1b[2J\udcff" * 5000, "is bad"))
    assert sentence.isprintable()
    assert len(sentence) < 250
