"""Who is here: the organisation, its people, its models, their states and their dates."""

from emeritus.registry.erasure import (
    Ground,
    Proposal,
    WeightsErased,
    confirm_erasure,
    proposal,
    propose_erasure,
    require_weights,
    withdraw_erasure,
)
from emeritus.registry.lifecycle import open_retirement, retire
from emeritus.registry.model import (
    Document,
    Erased,
    Lineage,
    Model,
    NewModel,
    Remote,
    State,
    Weights,
    add_model,
    all_models,
    get_model,
)
from emeritus.registry.organisation import Organisation, Person, add_person, found, organisation, people

__all__ = [
    "Document",
    "Erased",
    "Ground",
    "Lineage",
    "Model",
    "NewModel",
    "Organisation",
    "Person",
    "Proposal",
    "Remote",
    "State",
    "Weights",
    "WeightsErased",
    "add_model",
    "add_person",
    "all_models",
    "confirm_erasure",
    "found",
    "get_model",
    "open_retirement",
    "organisation",
    "people",
    "proposal",
    "propose_erasure",
    "require_weights",
    "retire",
    "withdraw_erasure",
]
