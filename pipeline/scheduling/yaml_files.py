"""Jobs of GitHub, GitLab and Kubernetes: YAML that is made from values, and never from text.

Schemas: GitHub's workflows and GitLab's pipelines as the schema store has them, CronJob of
Kubernetes' batch/v1.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from pipeline.scheduling.job import Job, Written, cron_of
from pipeline.scheduling.times import Start

_MOUNT: Final = PurePosixPath("/workspace")
_NOBODY: Final = 65532
_HOURS_AT_MOST: Final = 24
_ACT: Final = 'echo "something to act on: see the report"'


def github(job: Job) -> tuple[Written, ...]:
    """``NAME.yml``, for .github/workflows of the repository."""
    command = _expressed(shlex.join(job.argv(waits=False)))
    steps = [
        {
            "name": "Scan",
            "run": f"code=0\n{command} || code=$?\n"
            f'if [ "$code" -eq 1 ]; then {_ACT}; exit 0; fi\nexit "$code"\n',
            "shell": "sh",
        }
    ]
    document = {
        "name": _expressed(f"Port scan: {job.engagement}"),
        "on": {
            "schedule": [
                {"cron": cron_of(start), "timezone": str(job.schedule.zone)}
                for start in job.schedule.starts
            ],
            "workflow_dispatch": {},
        },
        "permissions": {},
        "concurrency": {"group": job.name, "cancel-in-progress": False},
        "jobs": {
            "scan": {
                "runs-on": ["self-hosted", "portproof"],
                "timeout-minutes": _HOURS_AT_MOST * 60,
                "steps": steps,
            }
        },
    }
    head = (
        "# A runner of your own, labelled portproof, that is allowed to scan: it has portproof,",
        "# the engagement and its workspace on its own disk.",
    )
    return (_written(f"{job.name}.yml", head, document),)


def gitlab(job: Job) -> tuple[Written, ...]:
    """``NAME.gitlab-ci.yml``, to be included in .gitlab-ci.yml."""
    document: dict[str, Any] = {
        job.name: {
            **({"image": job.image} if job.image else {}),
            "tags": ["portproof"],
            "rules": [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}],
            "resource_group": job.name,
            "timeout": f"{_HOURS_AT_MOST}h",
            "interruptible": False,
            "script": [shlex.join(job.argv(waits=False))],
            "allow_failure": {"exit_codes": [1]},
        }
    }
    times = [
        f"#   cron {cron_of(start)}, time zone {job.schedule.zone}" for start in job.schedule.starts
    ]
    head = (
        "# A runner of your own, tagged portproof, that is allowed to scan: it has the engagement",
        "# and its workspace on its own disk. GitLab keeps the times outside of this file, under",
        "# Build, Pipeline schedules:",
        *times,
    )
    return (_written(f"{job.name}.gitlab-ci.yml", head, document),)


def kubernetes(job: Job) -> tuple[Written, ...]:
    """``NAME.kubernetes.yml``: a claim for the workspace, and a CronJob for each hour to begin."""
    several = len(job.schedule.starts) > 1
    documents: list[dict[str, Any]] = [_claim(job)]
    for number, start in enumerate(job.schedule.starts, start=1):
        documents.append(_cron_job(job, start, f"{job.name}-{number}" if several else job.name))
    head = (
        f"# Put {job.file.name}, and the files that it names, into the volume first.",
        "# Kubernetes gives a capability to root only: so it is root with this one capability and",
        "# nothing else. `schedule --unprivileged` is without both, and asks by plain connections.",
    )
    return (_written(f"{job.name}.kubernetes.yml", head, *documents),)


def _claim(job: Job) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": job.name},
        "spec": {
            "accessModes": ["ReadWriteOncePod"],
            "resources": {"requests": {"storage": "5Gi"}},
        },
    }


def _cron_job(job: Job, start: Start, name: str) -> dict[str, Any]:
    zone = str(job.schedule.zone)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": cron_of(start),
            "timeZone": "Etc/UTC" if zone == "UTC" else zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {"backoffLimit": 0, "template": {"spec": _pod(job)}},
            },
        },
    }


def _pod(job: Job) -> dict[str, Any]:
    inside = replace(
        job,
        file=_MOUNT / job.file.name,  # type: ignore[arg-type]  # a path in the container, not here
        workspace=_MOUNT,  # type: ignore[arg-type]  # the same
        command=PurePosixPath("portproof"),  # type: ignore[arg-type]  # the same
    )
    user = 0 if job.raw else _NOBODY
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": not job.raw,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "portproof",
                "image": job.image,
                "command": [_referenced(word) for word in inside.argv()],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {
                        "drop": ["ALL"],
                        **({"add": ["NET_RAW"]} if job.raw else {}),
                    },
                },
                "resources": {
                    "requests": {"cpu": "500m", "memory": "256Mi"},
                    "limits": {"memory": "2Gi"},
                },
                "volumeMounts": [
                    {"name": "workspace", "mountPath": str(_MOUNT)},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- a volume of the pod's own
                ],
            }
        ],
        "volumes": [
            {"name": "workspace", "persistentVolumeClaim": {"claimName": job.name}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _expressed(text: str) -> str:
    """Text in which GitHub finds no expression."""
    return text.replace("${{", "${{ '${{' }}")


def _referenced(text: str) -> str:
    """Text in which Kubernetes finds no ``$(VARIABLE)``."""
    return text.replace("$(", "$$(")


def _written(name: str, head: tuple[str, ...], *documents: dict[str, Any]) -> Written:
    parts = [
        yaml.safe_dump(one, sort_keys=False, default_flow_style=False, width=100_000)
        for one in documents
    ]
    return Written(name=name, text="\n".join(head) + "\n" + "---\n".join(parts))
