"""The data folders of an installation, and whose packages these are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pipeline import resources
from pipeline.errors import Error

ROOT = Path(__file__).resolve().parents[2]


def _found_in(**places: Path | None) -> Callable[[str], ModuleSpec | None]:
    """A search that finds packages at these places."""

    def find(name: str) -> ModuleSpec | None:
        place = places[name]
        if place is None:
            return None
        spec = ModuleSpec(name, None, origin=str(place / "__init__.py"), is_package=True)
        spec.submodule_search_locations = [str(place)]
        return spec

    return find


def test_the_data_folders_are_found() -> None:
    assert (resources.folder("configs") / "quickstart.yml").is_file()
    assert resources.folder("templates").is_dir()


def test_an_installed_wheel_uses_its_own_data_and_not_that_of_its_neighbours(
    tmp_path: Path,
) -> None:
    installed = tmp_path / "pipeline"
    (installed / "_data" / "configs").mkdir(parents=True)
    (installed / "_data" / "configs" / "x.yml").write_text("ours")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "x.yml").write_text("somebody else's")
    for name in ("__init__.py", "errors.py", "resources.py"):
        shutil.copy(ROOT / "pipeline" / name, installed)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pipeline import resources\n"
        "print(resources.read_text('configs', 'x.yml'))\n"
        "resources.folder('templates')\n"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert ran.stdout == "ours\n"
    assert "lacks its folder templates/" in ran.stderr


def test_a_data_file_is_read_as_text() -> None:
    assert "authorisation:" in resources.read_text("configs", "quickstart.yml")


def test_a_data_file_that_is_missing_says_to_install_again() -> None:
    with pytest.raises(Error, match=r"lacks configs/none\.yml") as caught:
        resources.read_text("configs", "none.yml")
    assert "pipx install portproof" in caught.value.hint


def test_our_own_packages_lie_side_by_side() -> None:
    resources.check_installation()


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        (Path("/elsewhere/stages"), "the package 'stages' comes from /elsewhere/stages, not from"),
        (None, "the package 'stages' is not installed"),
    ],
)
def test_packages_of_somebody_else_are_refused(stages: Path | None, sentence: str) -> None:
    with pytest.raises(Error, match=sentence):
        resources.check_installation(_found_in(pipeline=ROOT / "pipeline", stages=stages))


def test_a_pipeline_of_somebody_else_is_refused() -> None:
    find = _found_in(pipeline=Path("/elsewhere/pipeline"), stages=ROOT / "stages")
    with pytest.raises(Error, match="the package 'pipeline' comes from /elsewhere"):
        resources.check_installation(find)


def test_a_single_module_of_that_name_is_refused() -> None:
    def find(name: str) -> ModuleSpec | None:
        if name == "stages":
            return ModuleSpec(name, None, origin="/elsewhere/stages.py")
        return _found_in(pipeline=ROOT / "pipeline")(name)

    with pytest.raises(Error, match=r"comes from /elsewhere/stages\.py"):
        resources.check_installation(find)


def test_a_module_without_an_origin_is_refused() -> None:
    def find(name: str) -> ModuleSpec | None:
        raise ValueError(f"{name}.__spec__ is None")

    with pytest.raises(Error, match="is not installed"):
        resources.check_installation(find)
