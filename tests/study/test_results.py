"""Records, and the tables and figures drawn from them."""

import matplotlib.pyplot as plt
import pytest

from pruninglab import checkpoints, counters
from pruninglab.models import ResNet20, prunable
from pruninglab.results import curves, records
from solutions.study import comparisons, figures, run, systems, tables, worth
from tests.helpers.small import record

BY_NAME = {system.name: system for system in systems.systems()}
HAN = BY_NAME["Han 2015"]


# ---- records


def test_a_record_comes_back_as_it_was(tmp_path):
    path = records.save(record(), tmp_path)
    assert path.name == "li-2016.cifar10.quick.0.json"
    assert records.load(path) == record()
    assert list(records.load_all(tmp_path)) == [record()]
    assert list(records.load_all(tmp_path, budget="full")) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"points": [{"target": 1}]}', '{"points": 3}'])
def test_a_damaged_record_is_named(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is not a record"):
        records.load(path)


def test_a_point_counts_what_is_left():
    """Against counts by hand, for a network with one weight in two at zero."""
    dense, model = ResNet20(4), ResNet20(4)
    for weight in prunable(model).values():
        weight.data.view(-1)[::2] = 0
    point = records.measure(model, dense, target=0.5, val=0.3, epochs=1, seconds=2)
    zeros = sum(-(-w.numel() // 2) for w in prunable(model).values())
    assert point.sparsity == pytest.approx(zeros / counters.prunable_weights(model))
    bn_shifts = sum(p.numel() for n, p in model.named_parameters() if "bn" in n and "bias" in n)
    assert point.parameters == 17_534
    assert point.nonzeros <= 17_534 - zeros
    assert point.nonzeros >= 17_534 - zeros - 3 * bn_shifts  # biases start at zero
    assert point.nonzero_macs < point.macs == 2_633_888


def test_records_that_ship_are_whole_and_their_figures_can_be_drawn():
    shipped = list(records.load_all())
    for one in shipped:
        assert one.points, one.system
        assert one.system in BY_NAME
        assert one.panels
        assert one.width == 16
        for point in one.points:
            assert point.test is not None
            assert 0 <= point.test <= 1
            assert -0.01 <= point.sparsity <= 1
    for draw_it in figures.FIGURES.values():
        assert draw_it(shipped[:0]).axes
        assert draw_it(systems.presentable(shipped)).axes
    plt.close("all")


def test_a_record_says_from_which_dense_network_it_comes():
    for one in records.load_all():
        assert one.dense.test == checkpoints.card(one.width, one.dense_seed)["test"]
    first, second = (run.blank(BY_NAME["Li 2016"], 0, "quick", seed) for seed in (0, 1))
    assert first.dense.test != second.dense.test
    assert (first.dense_seed, second.dense_seed) == (0, 1)
    assert records.file_name(second).endswith(".dense-1.0.json")
    assert records.file_name(first) != records.file_name(second)


def test_what_is_shown_together_has_one_budget_and_complete_comparisons():
    core = [system for system in systems.systems() if system.core]
    quick = [record(BY_NAME["Li 2016"]), record(HAN)]
    standard = [record(system, budget="standard", dense=1) for system in core]
    assert systems.presentable([*quick, *standard[1:]]) == quick
    assert systems.presentable([*quick, *standard]) == standard


# ---- figures and tables


def test_a_curve_is_the_mean_and_the_range_over_the_seeds():
    members = [record(seed=s, accuracies=((0.8, 0.6 + s), (0.5, 0.9))) for s in (0.0, 0.1)]
    line = curves.curve("x", members)
    assert line.x == (0.5, 0.8)
    assert line.mean == pytest.approx((0.9, 0.65))
    assert line.low == pytest.approx((0.9, 0.6))
    assert line.high == pytest.approx((0.9, 0.7))
    assert line.seeds == 2


def test_seeds_with_different_points_are_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        curves.curve("x", [record(), record(accuracies=((0.5, 0.9),))])


def test_the_lectures_figure_shows_every_published_point_and_our_line():
    ours = record(BY_NAME["Lecture: Han"], accuracies=((0.5, 0.91), (0.99, 0.4)))
    figure = figures.lecture_figure([ours])
    left = figure.axes[0]
    hollow = [line for line in left.lines if line.get_markerfacecolor() == "none"]
    hollow = [line for line in hollow if len(line.get_xdata())]
    assert sorted(len(line.get_xdata()) for line in hollow) == 4 * [22]
    (mine,) = [line for line in left.lines if line.get_label() == "Han"]
    assert list(mine.get_ydata()) == pytest.approx([91, 40])
    right = next(line for line in figure.axes[1].lines if line.get_label() == "Han")
    assert right.get_ydata()[0] == pytest.approx(91 - 100 * ours.dense.test)
    plt.close("all")


def test_rendas_figure_shows_their_points_and_all_of_ours():
    wanted = {"renda", "mean magnitude"}
    groups = [record(one) for one in BY_NAME.values() if wanted & set(one.panels)]
    panels = figures.renda_figure(groups).axes
    hollow = [[line for line in a.lines if line.get_mfc() == "none"] for a in panels]
    assert [[len(line.get_xdata()) for line in found] for found in hollow] == [
        [10] * 4, [10] * 4, [3] * 2,
    ]  # fmt: skip
    for axes, theirs, chance in zip(panels, hollow, ("weights", "weights", "filters"), strict=True):
        labels = [line.get_label() for line in axes.lines if line not in theirs]
        assert {label for label in labels if not label.startswith("_")} == {
            f"random {chance}", "dense, narrow (8, 4 wide)", *(
                f"ours: {method}, 1 epoch" for method in ("fine-tuning", "LR-rewinding")
            ),
        }  # fmt: skip
    plt.close("all")


def test_what_is_not_retrained_stands_beside_a_public_network():
    ours = record(BY_NAME["At once: gradient"], accuracies=((0.2, 0.7), (0.25, 0.6), (0.9, 0.1)))
    assert comparisons.not_retrained_table([ours, record()]).splitlines() == [
        "| theirs / ours | 20% | 25% | 90% |", "| --- | ---: | ---: | ---: |",
        "| gradient | 66.1 / 70.0 | 60.0 | 9.0 / 10.0 |",
    ]  # fmt: skip
    (axes,) = figures.not_retrained_figure([ours, record()]).axes
    mine, theirs = axes.lines[:2]
    assert list(mine.get_ydata()) == pytest.approx([70, 60, 10])
    assert list(theirs.get_ydata()) == [66.1, 12.7, 9.3, 9.1, 10.2, 10.2, 9.0]
    plt.close("all")


def test_a_change_without_accuracies_and_accuracies_without_a_change():
    name = "Filters by mean magnitude + LR-rewinding"
    lines = comparisons.published_table([record(BY_NAME[name], accuracies=((0.488, 0.9),))])
    dense = 100 * record().dense.test
    assert f"| +0.15 | 48.8% | 90.00, {90 - dense:+.2f} | 1 | {90 - dense - 0.15:+.2f} |" in lines
    members = [record(BY_NAME["SynFlow 2020"], accuracies=((0.9, 0.7),)),
               record(BY_NAME["Unpruned from scratch"], accuracies=((0.0, 0.8),))]  # fmt: skip
    assert "| 94.1 | 90.0% | 70.00, -10.00 | 1 | -24.10 (accuracies) |" in (
        comparisons.published_table(members)
    )


def test_the_dense_networks_stand_beside_the_published_ones():
    he, renda, sfp, *ours = comparisons.dense_table([]).splitlines()[2:]
    assert he.endswith("| 164 | 91.25 |")
    assert renda.endswith("| 182 | 91.71 ± 0.23 |")
    assert sfp.endswith("| 200 | 92.20 ± 0.18 |")
    seeds = [seed for width, seed in checkpoints.SHIPPED if width == 16]
    for row, seed, epochs in zip(ours, seeds, (94, 40, 40), strict=True):
        assert row.endswith(f"| {epochs} | {100 * checkpoints.card(16, seed)['test']:.2f} |")


def test_the_table_of_points_has_a_line_per_point():
    text = tables.points_table([record(seed=0), record(seed=1)])
    times = f"{272_474 / record().points[0].nonzeros:.1f}"
    assert text.splitlines()[2] == (
        f"| Li 2016 | quick | 0 | 0.5 | 50.0% | {times} | 50% | 1 | 90.00 ± 0.00 | 2 |"
    )
    assert len(text.splitlines()) == 4


def rows_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_another_dense_network_is_another_row():
    found = [
        record(dense=seed, accuracies=((0.5, 0.9), (0.8, 0.7 + seed / 10))) for seed in (0, 1)
    ]  # fmt: skip
    table = tables.networks_table(found, places=(0.5, 0.8))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [row[2] for row in rows] == ["0", "1"]
    assert [row[-1].split()[0] for row in rows] == ["70.00", "80.00"]
    assert tables.networks_table(found[:1]).count("\n") == 1  # from one network alone: no row


def test_weights_are_compared_at_the_nearest_sparsity():
    weights = record(HAN, accuracies=((0.56, 0.9), (0.807, 0.8), (0.93, 0.7)))
    (row,) = rows_of(tables.TABLES["weights"]([weights, record()]))
    assert row == ["Han 2015", HAN.method, "1", "90.00 (44%)", "80.00 (19%)", "", "70.00 (7%)"]


def test_filters_are_compared_at_equal_macs():
    """On the line between two points, by hand: 0.9 at 40 % and 0.7 at 60 % make 0.8 at 50 %."""
    li = record(accuracies=((0.3, 0.92), (0.4, 0.9), (0.6, 0.7)))
    (row,) = rows_of(tables.TABLES["filters"]([li]))
    assert row[3:6] == ["92.00", "80.00", ""], "70 % of the MACs: there is no point beyond"


def test_differences_are_paired_by_run_and_rows_ranked():
    """Chance is worse by 10 and 12 points: 11 ± 1.4, though both vary by 5."""
    gates, chance = BY_NAME["Molchanov 2019"], BY_NAME["Random filters"]
    good = [record(gates, seed=s, accuracies=((0.5, 0.8 + s / 20),)) for s in (0, 1)]
    bad = [record(chance, seed=s, accuracies=((0.5, 0.7 + s / 20 - s / 50),)) for s in (0, 1)]
    first, second = rows_of(tables.TABLES["filters"]([*bad, *good]))
    assert (first[0], first[-1]) == ("Molchanov 2019", "+11.0 ± 1.4")
    assert (second[0], second[-1]) == ("Random filters", "")


@pytest.mark.parametrize("unequal", ["equal", "epochs"])
def test_what_was_trained_for_another_time_is_not_ranked(unequal):
    better, worse = record(accuracies=((0.5, 0.9),)), record(BY_NAME["Molchanov 2019"])
    if unequal == "equal":
        better.equal = False
    else:
        better.points[0].epochs = 2.0
    assert [row[0] for row in rows_of(tables.TABLES["filters"]([better, worse]))] == [
        "Molchanov 2019", "Li 2016 (other epochs: not ranked)",
    ]  # fmt: skip


def test_a_page_gets_its_tables_from_the_records_that_its_marks_name():
    found = [record(), record(dense=1, accuracies=((0.5, 0.2),)), record(budget="full")]
    page = "a <!-- table all quick 1 -->\nold\n<!-- end --> b"
    text = tables.refreshed(page, found)
    assert text.startswith("a <!-- table all quick 1 -->\n| system")
    assert text.endswith("<!-- end --> b")
    assert "20.00" in text
    assert "90.00" not in text
    assert tables.refreshed(text, found) == text


def test_spreads_are_sorted_and_those_of_one_seed_left_out():
    members = [record(seed=s, accuracies=((0.3, 0.8 + a), (0.5, 0.7 + b), (0.7, 0.6 + 10 * a)))
               for s, a, b in ((0, 0.0, 0.0), (1, 0.01, 0.002), (2, 0.02, 0.004))]  # fmt: skip
    assert tables.spreads_table([*members, record(HAN)]).splitlines()[2:] == [
        "| 50% of 3 | 1.0 |", "| 80% of 3 | 10.0 |", "| 90% of 3 | 10.0 |",
        "| 100% of 3 | 10.0 (Li 2016) |",
    ]  # fmt: skip


def test_published_numbers_stand_beside_our_nearest_point():
    text = comparisons.published_table([record(accuracies=((0.1, 0.9), (0.3, 0.8)))])
    a, b, *_, far = text.splitlines()[2:]
    dense = record().dense.test
    assert "| 10.0% | 90.00, " in a
    assert f"{100 * (0.9 - dense) - (93.10 - 93.04):+.2f} |" in a
    assert f"{100 * (0.8 - dense) - (93.06 - 93.04):+.2f} |" in b
    assert "38.6% macs removed" in far
    assert far.endswith("| 30.0% | 80.00, -11.83 | 1 | too far |")


def test_what_is_pruned_before_training_is_compared_with_as_long_a_training():
    synflow = record(BY_NAME["SynFlow 2020"], accuracies=((0.9, 0.7),))
    dense = record(BY_NAME["Unpruned from scratch"], accuracies=((0.0, 0.8),))
    assert "| 70.00, -10.00 |" in comparisons.published_table([synflow, dense])


def test_renda_s_networks_stand_beside_ours_at_the_same_sparsity():
    ours = record(BY_NAME["Renda 2020"], accuracies=((0.488, 0.91), (0.893, 0.9)))
    half, fourfifths, tenth = comparisons.renda_table([ours]).splitlines()[2:]
    assert half.startswith("| Renda 2020 | in rounds, LR-rewinding | 48.8% | 91.34, -0.37 |")
    assert half.endswith(f"| 92.29, +0.58 | 48.8% | 91.00, {91 - 100 * ours.dense.test:+.2f} | 1 |")
    assert "| 89.3% | 90.00, " in tenth
    assert "| too far |" in fourfifths


def test_the_lectures_table_has_our_targets():
    ours = record(BY_NAME["Lecture: Liu"], accuracies=((0.5, 0.8), (0.999, 0.1)))
    change = 80 - 100 * ours.dense.test
    assert comparisons.lecture_table([ours]).splitlines() == [
        "| weights gone | Liu: theirs | ours |", "| --- | ---: | ---: |",
        f"| 50 % | -0.6 | {change:+.1f} |", f"| 99.9 % | -85.5 | {change - 70:+.1f} |",
    ]  # fmt: skip


def test_macs_are_those_of_the_network_that_runs():
    """By hand: a masked network is spared its zeros, a smaller one does all that it has."""
    one = record(accuracies=((0.5, 0.9),))
    point = one.points[0]
    assert curves.macs_left(point, one) == pytest.approx(0.5)
    point.macs = round(0.7 * one.dense.macs)
    assert curves.macs_left(point, one) == pytest.approx(0.7)


def test_other_data_and_other_budgets_are_not_other_seeds():
    members = [record(), record(seed=1), record(), record()]
    members[2].budget, members[3].dataset = "full", "cifar100"
    groups = curves.by_system(members)
    assert [(name, len(group)) for name, group in groups.items()] == [
        ("Li 2016, cifar10, quick", 2), ("Li 2016, cifar10, full", 1),
        ("Li 2016, cifar100, quick", 1),
    ]  # fmt: skip
    assert curves.longest([*members[:3], record(HAN)]) == [members[2], record(HAN)]


def weighed(accuracies, seed=0):
    """Smaller networks, half of their weights zero, of 12 bytes a weight or so."""
    made = record(seed=seed, accuracies=accuracies)
    made.dense.val = 0.92
    for point in made.points:
        n = round(270_896 * (1 - point.target) * 2)
        kept = n // 2
        point.parameters, point.macs = n + 1578, made.dense.macs // 2
        point.stored = {"dense": 4 * (n + 1578), "bitmask": 4 * 1578 + n // 8 + 4 * kept}
        point.latency, point.dense_latency = 1.0, 2.0
    return made


def test_the_weights_of_a_network_are_found_from_its_bytes():
    one = weighed(((0.6, 0.9),))
    assert worth.weights_of(one.points[0], one) == pytest.approx(0.8 * 270_896, abs=2)
    one.points[0].stored = None
    assert worth.weights_of(one.points[0], one) is None
    one.points[0].macs = one.dense.macs
    assert worth.weights_of(one.points[0], one) == 270_896, "a masked one has all of them"


def test_is_it_worth_it_takes_the_smallest_that_is_good_enough():
    """By hand, 32 bits: 0.4 of 270,896 values with a mask over 0.8 of them; 1 bit: no mask."""
    small = weighed(((0.55, 0.92), (0.6, 0.915), (0.9, 0.5)))
    (first, second) = rows_of(worth.worth_it_table([small], losses=(0.01, 0.5)))
    whole, rest = 270_896, 4 * 1578
    full = rest + 4 * whole
    assert first[:3] == ["1 points", "filters", "Li 2016"]
    assert first[4] == "60.0%"
    assert first[6] == f"{full / (rest + 0.8 * whole / 8 + 4 * 0.4 * whole):.1f}"
    assert first[9] == f"{(rest + whole / 8) / (rest + 0.8 * whole / 8):.1f}"
    assert first[10] == "2.00"
    assert second[4] == "90.0%"
    assert rows_of(worth.worth_it_table([small], losses=(0.0001,)))[0][4] == "55.0%"


def test_one_lucky_seed_is_not_good_enough_and_longer_training_is_no_merit():
    lucky, other = weighed(((0.55, 0.92), (0.6, 0.915))), weighed(((0.55, 0.92), (0.6, 0.895)), 1)
    assert rows_of(worth.worth_it_table([lucky], [0.01]))[0][4] == "60.0%"
    assert rows_of(worth.worth_it_table([lucky, other], [0.01]))[0][4] == "55.0%"
    for one in (lucky, other):
        one.points[0].epochs = 2.0
    assert rows_of(worth.worth_it_table([lucky, other], [0.01])) == []
