"""Ground floor: ids, time, digests, people, speech and errors. Knows nothing of the rooms above."""
