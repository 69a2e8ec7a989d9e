"""Findings about this machine: what is asked, and what is said when the answer is bad."""

import importlib.metadata
import json
import os
import resource
import shutil
from datetime import date

import pytest

from connectors import doctor
from connectors.console import console, findings_view
from connectors.doctor import Finding, examine, findings_json, is_fit
from connectors.home import Home


def named(findings, name):
    (one,) = (finding for finding in findings if finding.name == name)
    return one


def test_a_machine_that_runs_the_tests_is_fit_and_nothing_is_left_behind(tmp_path):
    home = tmp_path / "deep" / "home"
    findings = examine(home)
    assert named(findings, "Python").verdict == named(findings, "packages").verdict == "ok"
    assert "polars" in named(findings, "packages").says
    assert named(findings, "home") == Finding("home", "ok", f"{home}: will be made")
    assert named(findings, "fsync").verdict in ("ok", "warn", "fail")
    assert named(findings, "walker").says
    assert all(finding.remedy for finding in findings if finding.verdict != "ok")
    assert not list(tmp_path.iterdir())
    told = json.loads(json.dumps(findings_json(home, findings)))
    assert told["ok"] == is_fit(findings)
    assert {"name", "verdict", "says", "remedy"} == set(told["checks"][0])


def test_a_home_is_told_from_anothers_folder(tmp_path):
    own, other, damaged = (tmp_path / name for name in ("own", "other", "damaged"))
    Home(own).create(first_day=date(2026, 11, 21))
    Home(damaged).create(first_day=date(2026, 11, 21))
    (damaged / "home.json").write_text("{}")
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    assert "since 2026-11-21, no collector" in named(examine(own), "home").says
    for folder in (other, damaged, other / "letter.txt"):
        finding = named(examine(folder), "home")
        assert (finding.verdict, bool(finding.remedy)) == ("fail", True)
        assert str(folder) in finding.says
    assert sorted(p.name for p in other.iterdir()) == ["letter.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_leave_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    assert named(examine(tmp_path), "home").verdict == "fail"


@pytest.mark.parametrize(
    ("free", "verdict"), [(10**12, "ok"), (5 * 10**9, "warn"), (10**8, "fail")]
)
def test_a_disk_that_is_nearly_full_is_said_to_be(tmp_path, monkeypatch, free, verdict):
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, free))
    assert named(examine(tmp_path), "disk").verdict == verdict


@pytest.mark.parametrize(("each_ms", "verdict"), [(1, "ok"), (100, "warn"), (400, "fail")])
def test_a_slow_disk_is_said_to_be(tmp_path, monkeypatch, each_ms, verdict):
    monkeypatch.setattr(doctor, "_fsync_spans_ms", lambda _: [each_ms] * 3)
    findings = examine(tmp_path)
    assert named(findings, "fsync").verdict == verdict
    assert is_fit([named(findings, "fsync")]) == (verdict != "fail")


@pytest.mark.parametrize(
    ("state", "verdict"), [(0, "ok"), (5, "warn"), (None, "warn")], ids=["good", "off", "unknown"]
)
def test_a_clock_that_nobody_sets_is_a_warning(tmp_path, monkeypatch, state, verdict):
    monkeypatch.setattr(doctor, "_clock_state", lambda: state)
    assert named(examine(tmp_path), "clock").verdict == verdict


@pytest.mark.parametrize(
    ("soft", "verdict"),
    [(resource.RLIM_INFINITY, "ok"), (1024, "ok"), (512, "warn"), (64, "fail")],
)
def test_few_descriptors_are_said_to_be(tmp_path, monkeypatch, soft, verdict):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, 4096))
    finding = named(examine(tmp_path), "open files")
    assert finding.verdict == verdict
    assert finding.remedy == ("" if verdict == "ok" else "ulimit -n 1024")


def test_packages_are_held_against_what_is_declared(tmp_path, monkeypatch):
    declared = ["polars>=2.1,<3", "numpy>=99", "nowhere-at-all>=1", 'uv>=99; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: declared)
    findings = examine(tmp_path)
    assert named(findings, "numpy").says.endswith(">=99 is needed")
    assert named(findings, "nowhere-at-all").says == "it is not installed"
    assert named(findings, "packages").says.startswith("polars 2.")
    assert not is_fit(findings)


def test_a_remedy_stands_below_its_finding(capsys):
    console().print(findings_view([
        Finding("disk", "fail", "1 GB free", "free some space"), Finding("fsync", "ok", "1.0 ms"),
    ]))  # fmt: skip
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["fail", "disk", "1", "GB", "free"]
    assert lines[1] == ["→", "free", "some", "space"]
    assert lines[2] == ["ok", "fsync", "1.0", "ms"]
