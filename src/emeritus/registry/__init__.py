"""Who is here: the organisation, its people, its models, their states and their dates."""

from emeritus.registry.lifecycle import open_retirement, retire
from emeritus.registry.model import (
    Document,
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
    "Lineage",
    "Model",
    "NewModel",
    "Organisation",
    "Person",
    "Remote",
    "State",
    "Weights",
    "add_model",
    "add_person",
    "all_models",
    "found",
    "get_model",
    "open_retirement",
    "organisation",
    "people",
    "retire",
]
