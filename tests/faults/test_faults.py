"""Produce all along, break things, then look: nothing is lost, and nothing stands twice.

The short form breaks each kind of thing at least once; ``make soak`` is the long one.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from bizops.endpoints import Endpoints
from bizops.settings import Settings
from bizops.topics import ensure_topics
from streams.pool import WorkerPool
from tests.faults.checks import (
    check_dead_letters,
    check_stored,
    differences,
    store_from_scratch,
)
from tests.faults.cluster import Cluster
from tests.faults.crew import Crew
from tests.faults.feeder import Feeder
from tests.faults.kinds import KINDS, Scene
from tests.faults.made import World
from tests.faults.trial import Trial, plan_faults
from warehouse.schema import migrate

# kafka-python leaves sockets of brokers that do not answer to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SEED = int(os.environ.get("BIZOPS_SOAK_SEED", "7"))
FAULTS = int(os.environ.get("BIZOPS_SOAK_FAULTS", str(len(KINDS))))
EVENTS = int(os.environ.get("BIZOPS_SOAK_EVENTS", "40000"))
RATE = float(os.environ.get("BIZOPS_SOAK_RATE", "4000"))
REPORT = os.environ.get("BIZOPS_SOAK_REPORT")
DRAIN_S = 120 + EVENTS / 1000
MOST_RSS = 700 * 2**20


@pytest.fixture
def trial(cluster: Cluster, fault_settings: Settings, tmp_path: Path) -> Iterator[Trial]:
    kafka = cluster.endpoints.kafka
    ensure_topics(fault_settings, kafka)
    pool = WorkerPool(fault_settings, Endpoints(kafka, cluster.database_url), 2)
    feeder = Feeder(fault_settings, kafka, World(SEED), EVENTS, lambda: trial.allowed(), RATE)
    scene = Scene(fault_settings, cluster, Crew(pool), feeder, tmp_path)
    trial = Trial(scene, SEED, plan_faults(SEED, FAULTS))
    yield trial
    scene.crew.end_all()


def scratch_database(cluster: Cluster) -> str:
    """A migrated, empty database beside the one that was broken."""
    with closing(psycopg2.connect(cluster.database_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("create database scratch")
    url = f"{cluster.database_url.rpartition('/')[0]}/scratch"
    migrate(url)
    return url


@pytest.mark.timeout(4 * 3600)
def test_nothing_is_lost_whatever_breaks(trial: Trial, tmp_path: Path) -> None:
    print(f"BIZOPS_SOAK_SEED={SEED} BIZOPS_SOAK_FAULTS={FAULTS} BIZOPS_SOAK_EVENTS={EVENTS}")
    scene, feeder = trial.scene, trial.scene.feeder
    trial.run(say=EVENTS > 100_000)
    seconds = round(time.monotonic() - trial.started, 1)
    drained_s = trial.drain(DRAIN_S)
    trial.compare_offsets()
    scene.crew.end_all()
    url, scratch = scene.cluster.database_url, scratch_database(scene.cluster)
    report = Path(REPORT) if REPORT else tmp_path / "report.json"
    checks: dict[str, object] = {
        "events": EVENTS,
        "seconds": seconds,
        "drained_s": drained_s,
        "acknowledged": int(feeder.acknowledged.sum()),
        "published_again": feeder.unacknowledged_once,
        "offsets_compared": trial.looks,
        "offsets_ahead_of_progress": trial.early,
        "workers_ended_by_themselves": scene.crew.surprises,
        "peak_worker_rss_mib": scene.crew.peak_rss >> 20,
    }
    try:
        checks["in_the_log"] = store_from_scratch(
            scene.settings, scene.cluster.endpoints.kafka, scratch
        )
        checks["differences_from_scratch"] = differences(url, scratch)
        checks["stored"] = check_stored(url, feeder.world, feeder.attempted, feeder.acknowledged)
        checks["dead_payloads"] = check_dead_letters(
            url, feeder.world, feeder.attempted, feeder.acknowledged
        )
    finally:
        trial.report(report, **checks)
        print(checks, f"report: {report}")
    assert checks["differences_from_scratch"] == {}
    assert trial.early == []
    assert trial.looks > 0
    assert scene.crew.surprises == []
    assert scene.crew.peak_rss < MOST_RSS
    assert {one["kind"] for one in trial.happened} == {one.kind for one in trial.plan}
