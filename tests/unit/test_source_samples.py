"""The samples of all systems become what stands beside them: `tests/data/sources/<system>/<sample>.events.json`.

`python -m tests.unit.test_source_samples` writes them anew: read what it changed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.sources.registry import mapping_of, names
from slo_rules.adapter import ENTITIES, IGNORE
from tests.sources import RECEIVED_AT, beside, events_of, name_of, received, receiver, samples


def mapped(sample: Path) -> list[object]:
    """The events of a sample, or why there are none."""
    found = receiver(sample.parent.name).map(received(sample), RECEIVED_AT)
    return [*events_of(found), *({"refused": letter.detail} for letter in found.letters)]


@pytest.mark.parametrize("sample", samples(), ids=name_of)
def test_a_sample_becomes_these_events(sample: Path) -> None:
    assert mapped(sample) == json.loads(beside(sample, "events").read_text("utf-8"))


@pytest.mark.parametrize("system", [name for name in names() if name != "generic"])
def test_every_system_has_samples_and_a_page(system: str) -> None:
    assert samples(system)
    assert (Path(__file__).parents[2] / "docs" / "sources" / f"{system}.md").exists()


@pytest.mark.parametrize("system", names())
def test_types_that_adapters_give_are_canonical(system: str) -> None:
    for type_ in mapping_of(system).types.values():
        assert type_ == IGNORE or type_.partition(".")[0] in ENTITIES


def test_what_comes_again_has_the_same_ids() -> None:
    for sample in samples():
        assert mapped(sample) == mapped(sample)


def main() -> None:
    """Write what the samples become now."""
    for sample in samples():
        text = json.dumps(mapped(sample), indent=1, ensure_ascii=False)
        beside(sample, "events").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
