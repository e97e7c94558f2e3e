"""Who may reach a model: policies, members, applications, grants, keys, usage, and what is answered to whom."""
