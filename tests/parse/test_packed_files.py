"""Packed files are read as what is in them; damage costs only what follows."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from zstandard import ZstdCompressionParameters, ZstdCompressor

from fixtures.captures import XML, contents
from pipeline.parse import ParseError
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_file
from pipeline.parse.packed import FREE, opened

Pack = Callable[[bytes], bytes]
PACKERS = [gzip.compress, ZstdCompressor().compress]


def read(path: Path) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_file(path, hosts.append), hosts


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("name", XML)
def test_a_packed_capture_is_read_as_the_plain_one(name: str, pack: Pack, tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "a-name-says-nothing.txt"
    plain.write_bytes(contents(name))
    packed.write_bytes(pack(contents(name)))
    assert read(packed) == read(plain)


@pytest.mark.parametrize("pack", PACKERS)
def test_several_packed_pieces_behind_one_another_are_one_file(pack: Pack, tmp_path: Path) -> None:
    data = contents("nmap-syn.xml")
    path = tmp_path / "pieces"
    path.write_bytes(pack(data[:900]) + pack(data[900:]))
    run, hosts = read(path)
    assert (run.complete, len(hosts)) == (True, 2)


@pytest.mark.parametrize("pack", PACKERS)
def test_a_packed_file_cut_anywhere_is_truncated_and_never_an_error(
    pack: Pack, tmp_path: Path
) -> None:
    data = pack(contents("nmap-syn.xml"))
    path = tmp_path / "cut"
    for place in range(4, len(data) - 8, 7):
        path.write_bytes(data[:place])
        run, hosts = read(path)
        assert (run.truncated, run.complete) == (True, False), place
        assert len(hosts) <= 2


def test_a_checksum_that_is_wrong_makes_the_file_truncated_and_costs_no_host(
    tmp_path: Path,
) -> None:
    data = bytearray(gzip.compress(contents("nmap-syn.xml")))
    data[-8] ^= 1
    path = tmp_path / "damaged.gz"
    path.write_bytes(data)
    run, hosts = read(path)
    assert (run.truncated, run.complete, len(hosts)) == (True, False, 2)
    assert "cannot be unpacked to its end: Error -3" in run.error


def test_a_window_that_would_take_much_memory_is_refused(tmp_path: Path) -> None:
    wide = ZstdCompressionParameters(window_log=27)
    packer = ZstdCompressor(compression_params=wide).compressobj()
    path = tmp_path / "wide.zst"
    path.write_bytes(packer.compress(contents("nmap-syn.xml")) + packer.flush())
    with pytest.raises(ParseError, match="more than 32 MiB in memory") as refusal:
        read(path)
    assert refusal.value.where == str(path)
    assert "zstd --decompress" in refusal.value.hint


def test_damage_inside_of_gzip_costs_no_host_before_it(tmp_path: Path) -> None:
    many = b"".join(
        b'<host><address addr="10.0.%d.%d" addrtype="ipv4"/></host>' % divmod(n, 256)
        for n in range(5000)
    )
    data = bytearray(gzip.compress(b"<nmaprun>" + many + b"</nmaprun>"))
    path = tmp_path / "damaged.gz"
    path.write_bytes(data[: len(data) // 2])
    _, readable = read(path)
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    run, hosts = read(path)
    assert run.truncated
    assert 1000 < len(readable) <= len(hosts) < 5000
    assert hosts[: len(readable)] == readable


def test_a_bomb_is_unpacked_in_little_memory(tmp_path: Path) -> None:
    for pack in PACKERS:
        path = tmp_path / "bomb"
        path.write_bytes(pack(b"<nmaprun>" + b" " * (64 << 20) + b"</nmaprun>"))
        tracemalloc.start()
        run, _ = read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert run.truncated is False
        assert peak < 8 << 20


@pytest.mark.parametrize("data", [b"", b"\x1f", b"plain"])
def test_what_is_not_packed_is_read_as_it_is(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(data)
    with opened(path) as file:
        assert (file.stream.read(10), file.packing, file.damage) == (data, "", "")


@pytest.mark.parametrize("pack", PACKERS)
def test_what_becomes_hundreds_of_times_as_long_is_refused_beyond_a_sane_size(
    pack: Pack, tmp_path: Path
) -> None:
    piece = pack(b" " * (1 << 20))
    path = tmp_path / "bomb"
    path.write_bytes(piece * (FREE // (1 << 20) + 2))
    with opened(path) as file, pytest.raises(ParseError, match="packed bytes become more than"):
        drain(file.stream)


def drain(stream: BinaryIO) -> None:
    while stream.read(1 << 20):
        pass


def test_a_small_file_may_shrink_as_much_as_it_likes(tmp_path: Path) -> None:
    path = tmp_path / "calm"
    path.write_bytes(gzip.compress(b" " * (2 << 20)))
    with opened(path) as file:
        assert len(file.stream.read()) == 2 << 20
