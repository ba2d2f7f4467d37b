"""What `portproof schedule` writes is sound for who reads it, whatever the names in it are."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.errors import UsageError
from pipeline.process import complaints_of_systemd
from pipeline.scheduling import cron, systemd, yaml_files
from pipeline.scheduling.job import Job, Written
from pipeline.scheduling.times import parse_schedule

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"
PAGE = Path(__file__).parents[2] / "docs" / "scheduling.md"
HOSTILE = '/srv/100% of $HOME, $(id) ${{ secrets.KEY }} "it\'s" \\ `x`: #y'
COMMAND = Path("/bin/true")


def job(file: str = "/srv/scans/engagement.yml", **changes: Any) -> Job:
    facts: dict[str, Any] = {
        "engagement": "Weekly perimeter",
        "file": Path(file),
        "workspace": Path(file).parent,
        "command": COMMAND,
        "schedule": parse_schedule("mon-thu 22:00; sat,sun 06:30 Europe/Berlin"),
        "image": "example/portproof:1",
    }
    return Job(**(facts | changes))


def hostile() -> Job:
    return job(f"{HOSTILE}/engagement.yml", engagement="50% \"off\": ${{ x }} - 'y' # $(z)")


def write(folder: Path, files: tuple[Written, ...]) -> list[Path]:
    for file in files:
        (folder / file.name).write_text(file.text)
    return [folder / file.name for file in files]


def validator(name: str) -> jsonschema.protocols.Validator:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    found: jsonschema.protocols.Validator = jsonschema.validators.validator_for(schema)(schema)
    return found


def documents(files: tuple[Written, ...]) -> list[Any]:
    return list(yaml.safe_load_all(files[0].text))


@pytest.mark.parametrize("made", [job(), hostile(), job(raw=False)])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, made: Job) -> None:
    said = complaints_of_systemd(write(tmp_path, systemd.units(made)))
    assert not said
    if shutil.which("systemd-analyze"):
        assert said == ""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_finds_what_is_wrong_with_a_unit(tmp_path: Path) -> None:
    service, timer = systemd.units(job())
    spoilt = Written(name=timer.name, text=timer.text.replace("mon..thu", "x").replace("Mon", "x"))
    assert complaints_of_systemd(write(tmp_path, (service, spoilt)))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_finds_the_service_well_confined(tmp_path: Path) -> None:
    service = write(tmp_path, systemd.units(job()))[0]
    done = subprocess.run(
        ("systemd-analyze", "security", "--offline=true", "--no-pager", str(service)),
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LANG": "C"},
        check=True,
    )
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found
    assert float(found[1]) <= 3.0
    told = re.search(r"\(systemd (\d+)\) gives it ([0-9.]+) of 10", PAGE.read_text())
    assert told
    version = subprocess.check_output(("systemd-analyze", "--version"), text=True).split()[1]
    if version == told[1]:
        assert found[1] == told[2]


def test_a_service_holds_one_capability_and_writes_into_its_workspace_alone() -> None:
    lines = systemd.units(job())[0].text.splitlines()
    assert "AmbientCapabilities=CAP_NET_RAW" in lines
    assert "CapabilityBoundingSet=CAP_NET_RAW" in lines
    assert "NoNewPrivileges=yes" in lines
    assert "ProtectSystem=strict" in lines
    assert 'ReadWritePaths="/srv/scans"' in lines
    assert "AmbientCapabilities=" in systemd.units(job(raw=False))[0].text.splitlines()


def test_homes_are_readable_where_the_interpreter_lies_in_one() -> None:
    def homes(made: Job) -> str:
        lines = systemd.units(made)[0].text.splitlines()
        return next(line for line in lines if line.startswith("ProtectHome="))

    assert homes(job()) == "ProtectHome=yes"
    assert homes(job(beside=(Path("/home/user/.pyenv/bin/python3"),))) == "ProtectHome=read-only"


def test_a_unit_takes_no_part_of_a_name_for_a_specifier_or_a_variable() -> None:
    text = systemd.units(hostile())[0].text
    command = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert re.search(r"(?<!%)(%%)*%(?!%)", command) is None
    assert re.search(r"(?<!\$)(\$\$)*\$(?!\$)", command) is None
    read = shlex.split(command.removeprefix("ExecStart="))
    assert [word.replace("%%", "%").replace("$$", "$") for word in read] == list(hostile().argv())


def test_cron_and_its_shell_read_the_words_that_were_meant() -> None:
    made = hostile()
    lines = [x for x in cron.crontab(made)[0].text.splitlines() if not x.startswith(("#", "CRON"))]
    assert [line.split(" ", 5)[:5] for line in lines] == [
        ["30", "6", "*", "*", "6,0"],
        ["0", "22", "*", "*", "1,2,3,4"],
    ]
    for line in lines:
        command = line.split(" ", 5)[5]
        assert re.search(r"(?<!\\)%", command) is None  # where cron would end it
        assert shlex.split(command.replace("\\%", "%")) == list(made.argv())


@pytest.mark.parametrize("made", [job(), hostile()])
def test_githubs_workflow_fits_its_schema(made: Job) -> None:
    (document,) = documents(yaml_files.github(made))
    validator("github-workflows.json").validate(document)
    assert document["concurrency"] == {"group": made.name, "cancel-in-progress": False}
    expressions = re.findall(r"\$\{\{.*?\}\}", document["jobs"]["scan"]["steps"][0]["run"])
    assert set(expressions) <= {"${{ '${{' }}"}


@pytest.mark.parametrize("made", [job(), hostile(), job(image="")])
def test_gitlabs_job_fits_its_schema(made: Job) -> None:
    (document,) = documents(yaml_files.gitlab(made))
    validator("gitlab-ci.json").validate(document)
    assert shlex.split(document[made.name]["script"][0]) == list(made.argv(waits=False))


@pytest.mark.parametrize("made", [job(), hostile(), job(raw=False)])
def test_kubernetes_objects_fit_their_schema(made: Job) -> None:
    found = documents(yaml_files.kubernetes(made))
    for document in found:
        validator("kubernetes-1.37.json").validate(document)
    assert [document["kind"] for document in found] == [
        "PersistentVolumeClaim",
        "CronJob",
        "CronJob",
    ]
    for document in found[1:]:
        spec = document["spec"]
        assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Europe/Berlin")
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        capabilities = pod["containers"][0]["securityContext"]["capabilities"]
        assert capabilities == {"drop": ["ALL"], **({"add": ["NET_RAW"]} if made.raw else {})}
        assert pod["securityContext"]["runAsNonRoot"] is not made.raw
        command = " ".join(pod["containers"][0]["command"])
        assert re.search(r"(?<!\$)\$\(", command) is None


def test_the_schemas_find_what_is_wrong() -> None:
    (workflow,) = documents(yaml_files.github(job()))
    workflow["jobs"]["scan"]["run-on"] = workflow["jobs"]["scan"].pop("runs-on")
    (pipeline,) = documents(yaml_files.gitlab(job()))
    pipeline[job().name]["script"] = {}
    cron_job = documents(yaml_files.kubernetes(job()))[1]
    cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["container"] = []
    assert not validator("github-workflows.json").is_valid(workflow)
    assert not validator("gitlab-ci.json").is_valid(pipeline)
    assert not validator("kubernetes-1.37.json").is_valid(cron_job)


def test_a_path_that_ends_a_line_is_refused() -> None:
    with pytest.raises(UsageError, match="do not show"):
        job("/srv/a\nExecStartPre=/bin/evil/engagement.yml").require_plain()
    with pytest.raises(UsageError, match="no name of a user"):
        job(user="root x").require_plain()
