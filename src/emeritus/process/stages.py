"""The names of the stages that software carries out."""

PRESERVE = "preserve"
INTERVIEW = "interview"
RETIRE = "retire"
REACH = "reach"
DRAFT = "draft"
HAND_OUT = "hand-out"
"""No stretch of work: what went wrong while weights were downloaded is kept under this name."""
