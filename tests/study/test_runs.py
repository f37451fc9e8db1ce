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
from pruninglab.training import hardware
from solutions.study import costs, penalty, steps
from solutions.study import job as systems_job
from solutions.study import run as results
from solutions.study.systems import filters
from tests.helpers import small
from tests.helpers.small import record

NAMES = ["Li 2016", "Random filters"]


@pytest.fixture
def tiny(monkeypatch):
    """All runs in this process take seconds; one thread, as the workers of a cluster have.

    All in one precision: each process would choose its own by a measurement.
    """
    monkeypatch.setenv(hardware.SETTING, "0")
    for thing, name, value in small.TINY:
        put = monkeypatch.setitem if isinstance(thing, dict) else monkeypatch.setattr
        put(thing, name, value)
    monkeypatch.setattr(results, "device", lambda: torch.device("cpu"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def run_all(folder: Path, names=NAMES, budget="quick", **more) -> dict[str, records.Record]:
    runs = results.plan(names, [(0, 0)], budget, folder)
    with ThreadPoolExecutor(1) as pool:
        results.run_all(runs, pool, 1, folder / "work", folder, **more)
    return {record.system: record for record in records.load_all(folder)}


def timeless(record: records.Record) -> records.Record:
    """A record without the times that its training took."""
    return replace(record, points=[replace(point, seconds=0.0) for point in record.points])


# ---- what is done, and what is missing


def test_runs_make_records_once_and_one_that_fails_stops_no_other(tmp_path, monkeypatch):
    calls = []

    def run(one, threads, place, until):
        calls.append((one.name, one.seed, one.targets))
        if one.name == "Han 2015":
            raise RuntimeError("no luck")
        points = record(accuracies=[(target, 0.9) for target in one.targets]).points
        torch.save([None] * len(points), networks := io.BytesIO())
        return results.Outcome(points, networks.getvalue(), "m")

    monkeypatch.setattr(results, "run", run)
    for _ in range(2):
        runs = results.plan(["Han 2015", "Li 2016"], [(0, 0), (0, 1)], "quick", tmp_path)
        with ThreadPoolExecutor(1) as pool, pytest.raises(SystemExit, match="no luck"):
            results.run_all(runs, pool, 1, tmp_path / "work", tmp_path)
    li = [(seed, targets) for name, seed, targets in calls if name == "Li 2016"]
    assert li == [(seed, (target,)) for seed in (0, 1) for target in filters.LI]
    assert calls.count(("Han 2015", 0, (0.8,))) == 2
    assert len(list(tmp_path.glob("*.json"))) == 2
    first, _ = records.load_all(tmp_path)
    assert [p.target for p in first.points] == list(filters.LI)


def test_what_a_run_gives_back_does_not_need_its_process_any_more(tmp_path, tiny):
    """Tensors between processes are handles to memory of the sender, which ends after its run."""
    made = results.run(results.Run("Li 2016", (0.5,), 0, 0, "quick", 1.0), 1, tmp_path)
    assert b"torch.multiprocessing" not in bytes(ForkingPickler.dumps(made))
    (network,) = torch.load(io.BytesIO(made.networks), weights_only=False)
    assert sum(w.numel() for w in network.parameters()) == made.points[0].parameters


def ask_for(monkeypatch, targets):
    """Other targets for the systems that remove filters."""
    asked = [replace(system, targets=targets) for system in filters.SYSTEMS]
    monkeypatch.setattr(filters, "SYSTEMS", asked)


def test_a_record_that_lacks_targets_gets_these_alone(tmp_path, monkeypatch, tiny):
    ask_for(monkeypatch, (0.5,))
    before = run_all(tmp_path, ["Li 2016"])["Li 2016"]
    ask_for(monkeypatch, (0.3, 0.5, 0.7))
    monkeypatch.setattr(checkpoints, "machine", lambda: "another")
    after = run_all(tmp_path, ["Li 2016"])["Li 2016"]
    assert [p.target for p in after.points] == [0.3, 0.5, 0.7]
    assert after.points[1] == before.points[0], "it has been run again"
    assert after.machine == f"{before.machine}; another"
    assert results.plan(["Li 2016"], [(0, 0)], "quick", tmp_path) == []
    place = tmp_path / "work" / "li-2016.cifar10.quick.0"
    networks = [network for _, network in results.stored(after, place / "networks.pt")]
    kept = [sum(w.numel() for w in network.parameters()) for network in networks]
    assert kept == [point.parameters for point in after.points]
    assert list(place.rglob("[0-9]*.pt")) == [], "states of what is done are deleted"


def test_points_of_another_recipe_are_not_taken_for_this_one(tmp_path, monkeypatch, tiny):
    ask_for(monkeypatch, (0.5,))
    old = record(results.system_named("Li 2016"))
    old.method = "at once, fine-tuned"
    records.save(old, tmp_path)
    new = run_all(tmp_path, ["Li 2016"])["Li 2016"]
    assert new.method == results.system_named("Li 2016").method
    assert [p.target for p in new.points] == [0.5]
    assert new.points[0] != old.points[0]


def test_targets_that_share_a_training_are_run_together(tmp_path):
    vd = results.system_named("Variational Dropout 2017")
    assert vd.missing(record(vd, accuracies=((3.0, 0.9), (1.0, 0.7)))) == vd.targets
    assert vd.missing(record(vd, accuracies=[(t, 0.9) for t in vd.targets])) == ()
    han = results.system_named("Lecture: Han")
    old = record(han, accuracies=[(t, 0.9) for t in han.targets if t >= 0.9])
    assert han.missing(old) == (0.5, 0.8)
    liu = results.system_named("Lecture: Liu")
    (one,) = results.plan([liu.name], [(0, 0)], "standard", tmp_path)
    assert one.targets == liu.targets
    assert one.cost == 5 + 7 * 5, "the penalty once, then each target's half"


def test_what_others_are_compared_with_comes_first(tmp_path):
    """So that each hour leaves a table that can be read: core systems, from every network."""
    everything = [system.name for system in results.systems()]
    runs = results.plan(everything, [(1, 1), (0, 0)], "standard", tmp_path)
    core = [results.system_named(one.name).core for one in runs]
    assert core == sorted(core, reverse=True)
    dense = [one.dense for one in runs]
    assert dense == sorted(dense[: sum(core)], reverse=True) + sorted(dense[sum(core) :])[::-1]
    assert {one.name for one, first in zip(runs, core, strict=True) if first} == {
        "Lecture: Han + LR-rewinding", "Random weights", "Renda 2020", "Random filters",
        "Uniform L1", "Molchanov 2019",
    }  # fmt: skip


def test_the_records_that_ship_are_those_of_the_systems_or_of_earlier_recipes():
    """Each says what its system says today, or RESULTS.md names it as made by an earlier recipe."""
    page = (Path(records.__file__).parents[2] / "RESULTS.md").read_text()
    others = {one.system for one in records.load_all()
              if not results.system_named(one.system).same(one)}  # fmt: skip
    assert set(earlier(page)) == others


def earlier(page: str) -> list[str]:
    """The systems that the page lists as made by an earlier recipe."""
    line = next(line for line in page.split("\n\n") if line.startswith("**Earlier recipes**"))
    return " ".join(line.split()).split("`")[1::2]


def test_an_unknown_system_is_named():
    with pytest.raises(ValueError, match=r"no system 'Hahn'.*Han 2015"):
        results.system_named("Hahn")


# ---- before it starts, while it runs, when it is stopped


def test_the_estimate_is_measured_and_said_before_anything_is_trained(
    tmp_path, monkeypatch, capsys, tiny
):
    monkeypatch.setattr(results, "TIMED", 1)
    monkeypatch.setattr(results, "run_all", None)  # not called
    monkeypatch.setattr(results, "get_context", lambda _: None)
    pools = []
    monkeypatch.setattr(
        results, "ProcessPoolExecutor",
        lambda workers, **_: pools.append(workers) or ThreadPoolExecutor(1),
    )  # fmt: skip
    arguments = ["results", "--only", "Li 2016", "--dense", "0", "--workers", "2", "--estimate"]
    monkeypatch.setattr("sys.argv", [*arguments, "--records", str(tmp_path)])
    results.main()
    assert pools == [2]
    assert "6 runs, 60 epochs; " in capsys.readouterr().out


def test_progress_is_read_from_the_states_on_disk(tmp_path):
    one = results.Run("Li 2016", (0.3, 0.5), 0, 0, "standard", 20.0)
    assert results.progress(one, tmp_path) == 0
    for target, step in (("0.3", 392), ("0.3", 784), ("0.5", 196)):
        folder = tmp_path / one.stem / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{step}.pt").touch()
    assert results.progress(one, tmp_path) == 2.5


def test_a_run_that_may_not_take_longer_is_continued_later(tmp_path, monkeypatch, capsys, tiny):
    ask_for(monkeypatch, (0.5,))
    alone = run_all(tmp_path / "alone", ["Li 2016"], "full")["Li 2016"]
    clock = iter([0.0, *(9 * [2.0])])  # in time at the start, too late at the first state
    monkeypatch.setattr(results.time, "time", lambda: next(clock))
    assert run_all(tmp_path / "b", ["Li 2016"], "full", until=1.0) == {}
    assert "1 runs are not finished" in capsys.readouterr().out
    states = list((tmp_path / "b" / "work").rglob("[0-9]*.pt"))
    assert [steps.step_of(path) for path in states] == [4]
    monkeypatch.undo()
    for change in small.TINY:
        (monkeypatch.setitem if isinstance(change[0], dict) else monkeypatch.setattr)(*change)
    monkeypatch.setattr(results, "device", lambda: torch.device("cpu"))
    ask_for(monkeypatch, (0.5,))
    assert timeless(run_all(tmp_path / "b", ["Li 2016"], "full")["Li 2016"]) == timeless(alone)


# ---- every recipe goes on exactly where it was killed


class Killed(Exception):
    pass


KILLED = [
    "Li 2016",
    "Zhu & Gupta 2017",
    "Molchanov 2019",
    "He 2018 (SFP)",
    "Renda 2020",
    "Liu 2017",
]


@pytest.mark.parametrize("name", KILLED)
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tmp_path, monkeypatch, tiny, name):
    """Killed in the middle of an epoch, late in the run: equal weights, to the last bit."""
    images = data.subset("train")[:625]  # 5 steps an epoch
    budget = systems_job.Budget(4, 1, long=4)
    system, cpu = results.system_named(name), torch.device("cpu")

    def run(folder):
        job = systems_job.Job(images, images[:50], 0, budget, folder, cpu, compiled=False)
        (pruned,) = system.run(job, system.targets[:1])
        return pruned

    whole = run(tmp_path / "whole")
    made, train = [], steps.Trainer.step

    def step(trainer, *arguments):
        made.append(1)
        if len(made) == 18:
            raise Killed
        return train(trainer, *arguments)

    monkeypatch.setattr(steps.Trainer, "step", step)
    with pytest.raises(Killed):
        run(tmp_path / "killed")
    again = run(tmp_path / "killed")
    total = round(whole.epochs * 5)
    assert 17 + (total - 17) <= len(made) - 1 <= 17 + 5 + (total - 17), "an epoch is lost at most"
    assert again.epochs == whole.epochs
    for (key, one), other in zip(
        whole.model.state_dict().items(), again.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), key


def test_states_of_another_run_are_not_taken(tmp_path):
    images = data.subset("train")[:250]

    def run(lrs):
        model = small.trained()
        steps.Steps(images, lrs=lrs, folder=tmp_path)(model, {}, 4 * [0.0])
        return model.fc.bias.detach()

    first = run(4 * [0.1])
    assert torch.equal(run(4 * [0.1]), first)
    assert not torch.equal(run(4 * [0.01]), first)


def test_a_recipe_that_takes_more_steps_than_the_schedule_is_refused():
    loop = steps.Steps(data.subset("train")[:250], lrs=[0.1])
    with pytest.raises(ValueError, match="2 steps are asked for, the schedule has 1"):
        loop(small.trained(), {}, [0.1, 0.1])


# ---- bytes and times


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
        """Each worker, a restarted one too, has the small network and few images."""

        def setup(self, worker):
            for change in small.SMALL:
                small.put(*change)

    # Whole images, as the workers have: a run has to last until its worker is killed.
    monkeypatch.setattr(data, "normalise", small.really_normalised)
    ask_for(monkeypatch, (0.3, 0.7))
    alone = run_all(tmp_path / "alone", budget="full")
    folder = tmp_path / "cluster"
    arguments = ["--only", *NAMES, "--dense", "0", "--budget", "full", "--workers", "2"]
    arguments += ["--threads", "1"]
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
    """Kill a worker that is busy, as soon as a run has left its first state."""
    pids = client.run(os.getpid)
    end = time.monotonic() + 300
    while not list(work.rglob("[0-9]*.pt")) and time.monotonic() < end:
        time.sleep(0.02)
    (busy, *_) = [worker for worker, keys in client.processing().items() if keys]
    os.kill(pids[busy], signal.SIGKILL)
    (work.parent / "killed").touch()
