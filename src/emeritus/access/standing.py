"""What stands: models, policies, members and grants at one size of the record, for whoever stands at the gate."""

from collections.abc import Mapping

from attrs import field, frozen

from emeritus.access import downloads, grants, members
from emeritus.access.downloads import DownloadPolicy
from emeritus.access.grants import Grant
from emeritus.access.policy import Policy, default_policy, policy_of
from emeritus.record import Log
from emeritus.registry import alias
from emeritus.registry.alias import Alias
from emeritus.registry.model import Model, all_models
from emeritus.registry.notice import SurfaceDay, surface_days


@frozen
class Standing:
    """A projection of the record's first *size* entries. *members* says of each whether they are one now.

    *downloads* has the models about whose weights somebody has decided, *days* those of which an end was
    named on single surfaces, *changes* what changes for those who move on from a model, in a steward's words.
    """

    size: int
    organisation: str
    models: Mapping[str, Model]
    policies: Mapping[str, Policy]
    members: Mapping[str, bool]
    grants: Mapping[str, Grant]
    downloads: Mapping[str, DownloadPolicy] = field(factory=dict)
    aliases: Mapping[str, Alias] = field(factory=dict)
    days: Mapping[str, tuple[SurfaceDay, ...]] = field(factory=dict)
    changes: Mapping[str, str] = field(factory=dict)


def standing(log: Log, before: Standing | None = None) -> Standing:
    """Fold what stands now. *before* is returned as it is while the record has not grown."""
    size = log.size()
    if before is not None and before.size == size:
        return before
    models = {model.id: model for model in all_models(log)}
    policies = {name: default_policy(model) for name, model in models.items()}
    policies |= {entry.model or "": policy_of(entry) for entry in log.entries(kinds={"policy.set"})}
    founded = log.find("organisation.founded")
    return Standing(
        size=size,
        organisation=founded.body["name"] if founded is not None else "",
        models=models,
        policies=policies,
        members=members.active_members(log.entries(kinds=members.KINDS)),
        grants=grants.fold(log.entries(kinds=grants.KINDS)),
        downloads=downloads.fold(log.entries(kinds=downloads.KINDS)),
        aliases=alias.fold(log.entries(kinds=alias.KINDS)),
        days=surface_days(log),
        changes={
            entry.model or "": entry.body["text"] for entry in log.entries(kinds={"migration.explained"})
        },
    )
