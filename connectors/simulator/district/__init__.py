"""The invented district: its register, its evidence, and what is true of it (decision 35)."""
