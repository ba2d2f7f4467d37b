"""The engagement file: who allowed what, and how to ask.

YAML comes in at this door, and what leaves it is sound: :func:`load` gives an
:class:`Engagement`, or an ``EngagementError`` with every mistake in the file and its place.

::

    nodes      YAML to nodes with places; a small and safe part of the language
    fields     texts and what they mean          wording    values in sentences
    kinds      pydantic types with their JSON Schema
    source     one file: its mistakes, and the way from a model's error to a line
    document   the models: the engagement;       scoping, profiles, targets, zoning: its parts
    ruling     the models of risk rules          policies   rules and whole policies of them
    loading    load()                            resolving  resolve_scope()
    editing    values changed in a text          patching   proposals as a patch, applied
    values     what comes out, as plain frozen values
"""

from pipeline.engagement.branding import branding_now
from pipeline.engagement.document import OUTPUTS, json_schema, policy_json_schema
from pipeline.engagement.fragile import FRAGILE_PORTS
from pipeline.engagement.loading import load, risk_settings
from pipeline.engagement.policies import check_policy, our_policy, with_own
from pipeline.engagement.profiles import SCRIPTS, known_profiles
from pipeline.engagement.resolving import Resolver, resolve_scope
from pipeline.engagement.templates import new_engagement, template
from pipeline.engagement.values import (
    Authorisation,
    Engagement,
    Limits,
    NamedHost,
    OwnRules,
    Profile,
    ResolvedScope,
    RiskSettings,
    SourceFile,
    Vantage,
)

__all__ = [
    "FRAGILE_PORTS",
    "OUTPUTS",
    "SCRIPTS",
    "Authorisation",
    "Engagement",
    "Limits",
    "NamedHost",
    "OwnRules",
    "Profile",
    "ResolvedScope",
    "Resolver",
    "RiskSettings",
    "SourceFile",
    "Vantage",
    "branding_now",
    "check_policy",
    "json_schema",
    "known_profiles",
    "load",
    "new_engagement",
    "our_policy",
    "policy_json_schema",
    "resolve_scope",
    "risk_settings",
    "template",
    "with_own",
]
