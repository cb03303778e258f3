"""Hashes: identity and choice."""

from __future__ import annotations

from pathlib import Path

from offtraj._util.digest import content_id, file_sha256, rank, text_sha256


def test_equal_parts_have_equal_ids_and_others_have_not() -> None:
    assert content_id("a", 1, {"x": 1, "y": [2]}) == content_id("a", 1, {"y": [2], "x": 1})
    assert len({content_id("a", "b"), content_id("ab"), content_id("a b"), content_id(["a", "b"])}) == 4


def test_published_ids_stay_what_they_are() -> None:
    """Rows are known by these hashes: a change here is a change of every published id."""
    assert content_id("row/1", 0.2, None) == "0b89313fe68e241f1459e4083fa92808b6f2646fb3f060d5059f160b303fb95c"
    assert text_sha256("ä") == "33e6d73fee82904c8d7afb78de1154d1e8dc2a0edb08120e63df5b9385c2d9cc"
    assert rank(0, "question", 7) == 9833985332208431072


def test_ranks_spread_evenly() -> None:
    ranks = [rank(0, "question", number) / 2**64 for number in range(2000)]
    for tenth in range(10):
        assert 120 < sum(tenth <= 10 * r < tenth + 1 for r in ranks) < 280
    assert rank(0, "a") != rank(1, "a")


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes("ä".encode())
    assert file_sha256(path) == text_sha256("ä")
