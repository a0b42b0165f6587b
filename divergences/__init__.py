"""How far apart are P and Q: KL, JS, TV, Wasserstein and their kin, as numbers."""

__all__: list[str] = []
