"""What people and programs see of the house over HTTP: the public site, the steward's desk, the gateway."""
