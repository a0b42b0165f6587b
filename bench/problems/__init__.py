"""Named, seeded instances: the only place where a bench's data and costs are defined."""
