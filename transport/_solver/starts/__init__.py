"""Where the simplex, or an auction, begins: shortlists, coarser problems, earlier answers."""
