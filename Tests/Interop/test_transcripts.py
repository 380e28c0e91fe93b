"""What the documentation shows is what the command prints."""

import pytest

import transcripts
from conftest import ROOT, binary


@pytest.mark.parametrize("document", transcripts.documents(), ids=lambda path: path.name)
def test_a_transcript_prints_what_the_document_shows(document, tmp_path):
    found = list(transcripts.differences(document, transcripts.Place(tmp_path, binary(), document)))
    text = ""
    for line, command, expected, actual in found:
        text += f"\n{document.name}, block at line {line}\n$ {command}\n"
        text += "expected:\n" + "\n".join(expected) + "\nprinted:\n" + "\n".join(actual) + "\n"
    assert not found, text


def test_a_wildcard_stands_for_part_of_a_line_or_for_lines():
    assert transcripts.matches(["a … c", "…", "z"], ["a b c", "x", "y", "z"])
    assert transcripts.matches(["…"], [])
    assert not transcripts.matches(["a … c"], ["a b d"])
    assert not transcripts.matches(["a"], ["a", "b"])
    assert transcripts.matches(["part-0123456789abcdef, 1,234 bytes"], ["part-fedcba9876543210, 7 bytes"])
    assert not transcripts.matches(["7 rows"], ["8 rows"])


def test_the_sample_feeds_are_what_their_script_makes(tmp_path):
    import make_inbox

    make_inbox.make(tmp_path)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    kept = {file.name: file.read_bytes() for file in (ROOT / "Warehouse" / "inbox").iterdir()}
    assert made == kept
