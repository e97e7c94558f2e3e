"""The public site: what was promised, decided and done for each model, and the models' own words."""
