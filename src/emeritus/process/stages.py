"""The names of the stages that software carries out."""

PRESERVE = "preserve"
INTERVIEW = "interview"
RETIRE = "retire"
REACH = "reach"
DRAFT = "draft"
