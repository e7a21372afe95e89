"""The two pages of a run: whole by themselves, true to the run, and harmless."""

import re
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from attribution.charts import energies, intervals, overlaid, ranks, trace
from attribution.fit import Options, attribute, retrain
from attribution.pages import write_pages
from attribution.runs import fail_run, start_run
from bizops.cli import app
from bizops.database import opened
from bizops.errors import UsageError

from .conftest import Story, moment

HOSTILE = "<script>alert('1')</script>&\"x"


@pytest.fixture
def told(settings):
    """A published run, fitted for real, of a campaign whose name is hostile."""
    Story().touch("acme", "2026-01-01", "ads", HOSTILE).sale("acme", "2026-01-05").touch(
        "bolt", "2026-01-03", "ads", HOSTILE
    ).sale("cafe", "2026-01-20").store(settings.database_url)
    return retrain(settings, settings.database_url).run


def pages(settings, run_id, folder):
    with opened(settings.database_url) as connection:
        return {path.name: path.read_text() for path in write_pages(connection, run_id, folder)}


class Checked(HTMLParser):
    """Every tag is closed, none is a script, and nothing is fetched from anywhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.count = [], 0
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.count += 1
        assert tag not in ("script", "img", "link", "iframe", "object")
        assert not {name for name, _ in attributes} & {"src", "href", "onload", "onclick"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_both_pages_of_a_fit(settings, told, tmp_path):
    found = pages(settings, told.run_id, tmp_path / "new" / "folder")
    assert set(found) == {"statistics.html", "marketing.html"}
    for text in found.values():
        Checked(text)
        assert told.run_id in text
        assert "<script" not in text
        for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
            ElementTree.fromstring(svg)
    statistics = found["statistics.html"]
    for section in ("Traces and ranks", "Energy", "E-BFMI", "Prior and posterior", "Calibration",
                    "Posterior predictive checks", "Held-out log score", "R-hat"):  # fmt: skip
        assert section in statistics
    assert "log_effect[ads / &lt;script&gt;" in statistics
    assert told.data["hash"] in statistics
    marketing = found["marketing.html"]
    assert "Of 2 conversions campaigns brought" in marketing
    assert "There is no run before this one" in marketing
    assert "Whether ads brought anything at all" in marketing

    again = attribute(settings, settings.database_url)
    found = pages(settings, again.run_id, tmp_path)
    assert f"Beside run {told.run_id}" in found["marketing.html"]
    assert "Too close to call: ads" in found["marketing.html"]
    assert "Not made: `bizops retrain` makes them" in found["statistics.html"]


def test_a_run_of_rules_only_has_no_draws(settings, tmp_path):
    Story().touch("acme", "2026-01-01").sale("acme", "2026-01-05").store(settings.database_url)
    done = attribute(settings, settings.database_url, Options(rules_only=True))
    found = pages(settings, done.run_id, tmp_path)
    assert "needed no fit" in found["statistics.html"]
    assert "by the rule last_touch" in found["marketing.html"]
    Checked(found["marketing.html"])


def test_draws_that_are_elsewhere_are_said_to_be(settings, told, tmp_path):
    shutil.rmtree(told.artifact)
    text = pages(settings, told.run_id, tmp_path)["statistics.html"]
    assert "The draws are not on this machine" in text
    assert "Posterior predictive checks" in text


def test_a_failed_run_has_statistics_only(settings, tmp_path):
    url = settings.database_url
    start_run(url, "one", moment("2026-01-01")[0], {})
    with opened(url) as connection, pytest.raises(UsageError, match="run one is running"):
        write_pages(connection, "one", tmp_path)
    fail_run(url, "one", "R-hat <1.2>")
    assert list(pages(settings, "one", tmp_path)) == ["statistics.html"]
    assert "R-hat &lt;1.2&gt;" in (tmp_path / "statistics.html").read_text()


def test_the_command(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("BIZOPS_HOME", str(settings.home))
    monkeypatch.setenv("BIZOPS_DATABASE_URL", settings.database_url)
    Story().sale("acme", "2026-01-05").store(settings.database_url)
    run = attribute(settings, settings.database_url)
    arguments = ["runs", "report", run.run_id, "--output"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path)], catch_exceptions=False)
    assert done.output.split() == [
        str(tmp_path / name) for name in ("statistics.html", "marketing.html")
    ]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"can't be written to .*file"):
        CliRunner().invoke(app, [*arguments, str(tmp_path / "file")], catch_exceptions=False)


def test_charts_hold_what_they_are_given():
    chains = np.random.default_rng(1).normal(size=(3, 900))
    for svg, lines in (
        (trace(chains, "a < b"), 3),
        (ranks(chains, "r"), 4),
        (overlaid({"prior": chains[0], "posterior": chains[1]}, "p"), 2),
        (energies(chains, "e"), 2),
    ):
        found = ElementTree.fromstring(svg)
        assert len(found.findall("{*}polyline")) == lines
        for line in found.findall("{*}polyline"):
            points = [tuple(map(float, at.split(","))) for at in line.get("points").split()]
            assert all(0 <= x <= 340 and 0 <= y <= 112 for x, y in points)
    found = ElementTree.fromstring(
        intervals([("a", 3.0, 1.0, 5.0, 10.0), ("b", 0.0, 0.0, 0.0, None)], "t", "c")
    )
    first, second = found.findall("{*}line")
    assert float(first.get("x2")) - float(first.get("x1")) == pytest.approx(0.4 * 410, abs=0.2)
    assert second.get("x1") == second.get("x2")


def test_a_chain_that_stands_still_can_be_drawn():
    still = np.ones((2, 50))
    for svg in (trace(still, "t"), ranks(still, "r"), overlaid({"a": still[0]}, "o")):
        assert "nan" not in svg
        ElementTree.fromstring(svg)
