"""The runs of the results: made once, extended, on a cluster too; what their networks weigh."""

import io
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch

from pruninglab import checkpoints, data
from pruninglab.results import records
from solutions.study import costs, penalty, systems
from solutions.study import job as systems_job
from solutions.study import run as results
from tests.helpers import small
from tests.helpers.small import record

NAMES = ["Li 2016", "Random filters"]


@pytest.fixture
def tiny(monkeypatch):
    """All runs in this process take seconds; one thread, as the workers of a cluster have."""
    for thing, name, value in small.SMALL:
        put = monkeypatch.setitem if isinstance(thing, dict) else monkeypatch.setattr
        put(thing, name, value)
    monkeypatch.setattr(results, "device", lambda: torch.device("cpu"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def run_all(folder: Path, names=NAMES, budget="quick") -> dict[str, records.Record]:
    with ThreadPoolExecutor(1) as pool:
        results.run_all(names, [0], budget, pool, 1, folder / "work", folder)
    return {record.system: record for record in records.load_all(folder)}


def timeless(record: records.Record) -> records.Record:
    """A record without the times that its training took."""
    return replace(record, points=[replace(point, seconds=0.0) for point in record.points])


# ---- what is done, and what is missing


def test_runs_make_records_once_and_one_that_fails_stops_no_other(tmp_path, monkeypatch):
    calls = []

    def run(name, targets, seed, budget, threads, place, dense):
        calls.append((name, seed))
        if name == "Han 2015":
            raise RuntimeError("no luck")
        points = record(accuracies=[(target, 0.9) for target in targets]).points
        torch.save([None] * len(points), networks := io.BytesIO())
        return results.Outcome(points, networks.getvalue(), "m")

    monkeypatch.setattr(results, "run", run)
    names = ["Han 2015", "Li 2016"]
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool, pytest.raises(SystemExit, match="no luck"):
            results.run_all(names, [0, 1], "quick", pool, 1, tmp_path / "work", tmp_path)
    assert calls.count(("Li 2016", 0)) == calls.count(("Li 2016", 1)) == 1
    assert calls.count(("Han 2015", 0)) == 2
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_what_a_run_gives_back_does_not_need_its_process_any_more(tmp_path, tiny):
    """Tensors between processes are handles to memory of the sender, which ends after its run."""
    made = results.run("Li 2016", [0.5], 0, "quick", 1, tmp_path)
    assert b"torch.multiprocessing" not in bytes(ForkingPickler.dumps(made))
    (network,) = torch.load(io.BytesIO(made.networks), weights_only=False)
    assert sum(w.numel() for w in network.parameters()) == made.points[0].parameters


def ask_for(monkeypatch, targets):
    """Other targets for the systems that remove filters."""
    for name in ("FILTERS", "LI", "SOFT", "SLIM"):
        monkeypatch.setattr(systems, name, targets)


def test_a_record_that_lacks_targets_gets_these_alone(tmp_path, monkeypatch, tiny):
    ask_for(monkeypatch, (0.5,))
    before = run_all(tmp_path, ["Li 2016"])["Li 2016"]
    ask_for(monkeypatch, (0.3, 0.5, 0.7))
    monkeypatch.setattr(checkpoints, "machine", lambda: "another")
    after = run_all(tmp_path, ["Li 2016"])["Li 2016"]
    assert [p.target for p in after.points] == [0.3, 0.5, 0.7]
    assert after.points[1] == before.points[0], "it has been run again"
    assert after.machine == f"{before.machine}; another (0.3, 0.7)"
    monkeypatch.setattr(results, "run", None)  # not called any more
    assert run_all(tmp_path, ["Li 2016"])["Li 2016"] == after
    place = tmp_path / "work" / "li-2016.cifar10.quick.0" / "networks.pt"
    networks = [network for _, network in results.stored(after, place)]
    kept = [sum(w.numel() for w in network.parameters()) for network in networks]
    assert kept == [point.parameters for point in after.points]


def test_extending_gives_what_one_run_would_have_given(tmp_path, monkeypatch, tiny):
    ask_for(monkeypatch, (0.5,))
    run_all(tmp_path / "a")
    ask_for(monkeypatch, (0.3, 0.5))
    twice, once = run_all(tmp_path / "a"), run_all(tmp_path / "b")
    for name in NAMES:
        assert timeless(twice[name]) == timeless(once[name])


def test_targets_that_are_stations_of_one_path_are_run_together():
    obd = results.system_named("OBD 1989")
    assert obd.missing(record(obd, accuracies=((0.5, 0.9), (0.8, 0.7)))) == systems.WEIGHTS
    assert obd.missing(record(obd, accuracies=[(t, 0.9) for t in systems.WEIGHTS])) is None
    renda = results.system_named("Renda 2020")
    assert renda.missing(record(renda, accuracies=())) == ()
    assert renda.missing(record(renda)) is None
    han = results.system_named("Lecture: Han")
    old = record(han, accuracies=[(t, 0.9) for t in systems.LECTURE if t >= 0.5])
    assert han.missing(old) == (0.1, 0.3)


def test_the_records_that_ship_are_those_of_the_systems():
    """Each says what its system says, and has no target that is not one of numbers."""
    for one in records.load_all():
        system = results.system_named(one.system)
        assert (one.structure, one.criterion, one.method, one.target) == (
            system.structure, system.criterion, system.method, system.target,
        )  # fmt: skip


def test_an_unknown_system_is_named():
    with pytest.raises(ValueError, match=r"no system 'Hahn'.*Han 2015"):
        results.system_named("Hahn")


# ---- what the networks weigh


def test_weighing_completes_a_record_as_far_as_its_networks_are_there(tmp_path, monkeypatch, tiny):
    ask_for(monkeypatch, (0.5,))
    run_all(tmp_path, ["Li 2016"])
    (path,) = tmp_path.glob("*.json")
    assert costs.weigh(path, tmp_path / "elsewhere") == 1  # lost
    assert records.load(path).points[0].stored is None
    assert costs.weigh(path, tmp_path / "work") == 0
    (point,) = records.load(path).points
    assert 0 <= point.test <= 1
    assert point.stored["dense"] == 4 * point.parameters
    assert point.latency > 0
    assert point.dense_latency > 0
    (tmp_path / "work" / "li-2016.cifar10.quick.0" / "networks.pt").unlink()
    ask_for(monkeypatch, (0.5, 0.7))
    old, new = run_all(tmp_path, ["Li 2016"])["Li 2016"].points
    assert costs.weigh(path, tmp_path / "work") == 0
    weighed = records.load(path).points
    assert weighed[0] == old == point, "its network is gone: what was measured stays"
    assert weighed[1].stored["dense"] == 4 * new.parameters


# ---- the choice of λ


def test_the_choice_of_the_penalty_is_written_down(tmp_path, monkeypatch, capsys, tiny):
    subset = data.subset
    monkeypatch.setattr(data, "subset", lambda split: subset(split)[:150])
    arguments = ["penalty", "--subset", "--candidates", "0.002", "5", "--seeds", "0", "1"]
    arguments += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "penalty.json")]
    monkeypatch.setattr("sys.argv", arguments)
    penalty.main()
    about = json.loads((tmp_path / "penalty.json").read_text())
    rows = [(t["strength"], t["seed"]) for t in about["trials"]]
    assert rows == [(0.002, 0), (5.0, 0), (0.002, 1), (5.0, 1)]
    weak, strong, *_ = about["trials"]
    assert weak["kept"] > strong["kept"], "a λ of 5 leaves nothing of any γ"
    assert all(0 <= t["val"] <= 1 for t in about["trials"])
    assert (about["images"], about["epochs"]) == (150, 1)
    assert (
        f"best: {about['best']:g}; the systems use 0.002 for one epoch" in capsys.readouterr().out
    )


def test_the_best_penalty_is_that_of_the_best_mean_over_the_seeds(tmp_path, monkeypatch):
    val = {(1.0, 0): 0.7, (2.0, 0): 0.6, (1.0, 1): 0.7, (2.0, 1): 0.9}

    def trial(candidate, job):
        return penalty.Trial(candidate, job.seed, 0.9, val[candidate, job.seed])

    monkeypatch.setattr(penalty, "trial", trial)
    budget, cpu = systems_job.Budget(1, 1), torch.device("cpu")
    job = systems_job.Job(data.subset("val"), data.subset("val"), 0, budget, tmp_path, cpu)
    assert penalty.choose([1.0, 2.0], [0], job, tmp_path / "x.json") == 1.0
    assert penalty.choose([1.0, 2.0], [0, 1], job, tmp_path / "x.json") == 2.0
    assert json.loads((tmp_path / "x.json").read_text())["best"] == 2.0


@pytest.mark.skipif(
    not penalty.FILE.exists(), reason="`python -m solutions.study.penalty` makes it"
)
def test_the_penalty_of_the_systems_is_the_best_one():
    about = json.loads(penalty.FILE.read_text())
    assert (about["best"], about["epochs"]) == (systems_job.PENALTY, 1)
    assert {t["strength"] for t in about["trials"]} >= set(penalty.CANDIDATES)


# ---- a cluster


def test_a_cluster_finishes_although_a_worker_is_killed(tmp_path, monkeypatch, tiny):
    """Two runs on two workers; one is killed when it has its first network; the records are equal
    to those made without a cluster."""
    distributed = pytest.importorskip("distributed")

    class Small(distributed.WorkerPlugin):
        """Each worker, those started anew included, has the small network and few images."""

        def setup(self, worker):
            for change in small.SMALL:
                small.put(*change)

    ask_for(monkeypatch, (0.3, 0.7))
    alone = run_all(tmp_path / "alone", budget="full")
    folder = tmp_path / "cluster"
    arguments = ["--only", *NAMES, "--seeds", "0", "--budget", "full", "--threads", "1"]
    arguments += ["--work", str(folder / "work"), "--records", str(folder)]
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(Small())
        address = cluster.scheduler_address
        monkeypatch.setattr("sys.argv", ["results", "--scheduler", address, *arguments])
        killer = threading.Thread(target=kill_one, args=(client, folder / "work"))
        killer.start()
        results.main()
        killer.join()
    found = {one.system: one for one in records.load_all(folder)}
    for name in NAMES:
        assert [p.target for p in found[name].points] == [0.3, 0.7]
        assert timeless(found[name]) == timeless(alone[name])
    assert (folder / "killed").exists()


def kill_one(client, work: Path) -> None:
    """Kill a worker that is busy, as soon as Li 2016 has trained its first network."""
    pids = client.run(os.getpid)
    first, end = work / "li-2016.cifar10.full.0" / "0.3", time.monotonic() + 300
    while not list(first.glob("*.pt")) and time.monotonic() < end:
        time.sleep(0.02)
    (busy, *_) = [worker for worker, keys in client.processing().items() if keys]
    os.kill(pids[busy], signal.SIGKILL)
    (work.parent / "killed").touch()
