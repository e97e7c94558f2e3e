"""What the site and the desk share: their parts, templates, stylesheet, security headers and faults."""
